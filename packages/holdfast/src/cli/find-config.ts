import { readFile, stat } from 'node:fs/promises';
import { dirname, extname, join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { ConnectConfig } from '../connect-options.js';
import { usageError } from './cli-error.js';
import { currentUser, distrustOf } from './trusted-path.js';

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

/** Refuses a file that was found and not named, when somebody else could have put it there: it says where the locks are, and is run. */
async function refuseStrangers(file: string): Promise<void> {
  const user = currentUser();
  if (user === null) return;
  const fault = await distrustOf(file, user).catch((error: unknown) => (error instanceof Error ? error.message : String(error)));
  if (fault !== null) throw usageError(`${file}: it is not read, as ${fault}; name it with --config if you trust it, or use --no-config`);
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
