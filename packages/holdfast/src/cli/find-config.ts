import { readFile, stat } from 'node:fs/promises';
import { dirname, extname, join, resolve } from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import type { ConnectConfig } from '../connect-options.js';
import { usageError } from './cli-error.js';

/** In the order in which they are looked for in each folder. */
export const CONFIG_FILES = ['holdfast.config.json', 'holdfast.config.js', 'holdfast.config.mjs'] as const;

/** A configuration and where it stands. */
export interface FoundConfig {
  readonly file: string;
  readonly config: ConnectConfig;
}

/** The nearest configuration file, from `folder` upward; null when there is none. @throws CliError when it cannot be used */
export async function findConfig(folder: string): Promise<FoundConfig | null> {
  for (let at = resolve(folder); ; at = dirname(at)) {
    for (const name of CONFIG_FILES) {
      const file = join(at, name);
      if (!(await isFile(file))) continue;
      await refuseStrangers(file);
      return await loadConfig(file);
    }
    if (dirname(at) === at) return null;
  }
}

/** Loads the file that somebody named. @throws CliError when it cannot be used */
export async function loadConfig(path: string): Promise<FoundConfig> {
  const file = resolve(path);
  if (!(await isFile(file))) throw usageError(`${file}: there is no such file`);
  const config = extname(file) === '.json' ? await readJson(file) : await importDefault(file);
  if (typeof config !== 'object' || config === null || Array.isArray(config)) {
    throw usageError(`${file}: the configuration must be an object such as { "url": "redis://localhost:6379" }`);
  }
  return { file, config };
}

/** Refuses a file that was found and not named, when anybody could have put it there. */
async function refuseStrangers(file: string): Promise<void> {
  const uid = process.getuid?.();
  if (uid === undefined) return;
  const [folder, own] = await Promise.all([stat(dirname(file)), stat(file)]);
  if (isStrangers({ folderMode: folder.mode, mode: own.mode, owner: own.uid }, uid)) {
    throw usageError(`${file}: it belongs to another user, and anybody may write there; name it with --config if you trust it`);
  }
}

/**
 * Whether a file may be somebody's trap: it says where the locks are, and a `.js` file is run. Think of a job whose
 * working directory is below /tmp.
 */
export function isStrangers(file: { readonly folderMode: number; readonly mode: number; readonly owner: number }, uid: number): boolean {
  const anybodyWrites = ((file.folderMode | file.mode) & 0o002) !== 0;
  return anybodyWrites && file.owner !== uid && file.owner !== 0;
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

async function readJson(file: string): Promise<unknown> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    throw usageError(`${file}: ${(error as Error).message}`);
  });
  try {
    return JSON.parse(text.replace(/^\uFEFF/, '')) as unknown;
  } catch {
    // The parser's own message quotes what stands there, which may be a password.
    throw usageError(`${file}: this is not valid JSON`);
  }
}

async function importDefault(file: string): Promise<unknown> {
  try {
    const module = (await import(pathToFileURL(file).href)) as { readonly default?: unknown };
    return module.default;
  } catch (error) {
    throw usageError(`${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
