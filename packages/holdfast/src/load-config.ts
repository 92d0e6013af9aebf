import { readFile, stat } from 'node:fs/promises';
import { dirname, extname, isAbsolute, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { LockArgumentError } from '@holdfast/core';
import type { ConnectConfig } from './connect-options.js';
import type { FileCheck } from './import-module.js';
import { loadInTime } from './load-in-time.js';
import { snapshotOf } from './option-snapshot.js';
import { moduleFrom, readSchemes, type SchemeTable } from './schemes.js';

/** Options of a store that are paths, beside those in a URL. */
const PATH_OPTIONS: readonly string[] = ['sslrootcert', 'sslcert', 'sslkey'];

/**
 * Reads a configuration file for `connect`: `await connect(await loadConfig('holdfast.config.json'))`. The object of a `.json` file, of
 * any other the default export, **which is run**: nothing is looked for, and only the file that is named is read.
 *
 * Relative names in the file count from the file and not from the working directory: modules of `schemes`, packages as well as paths, and
 * certificates (`sslrootcert`, `sslcert`, `sslkey`, in the URL too).
 *
 * @param file a path, from the working directory if it is relative, or a `file:` URL
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT, `option: 'file'`, when it is not there, is not valid, fails to load, or has not
 *   loaded after 10 s. No message quotes its content, except for the message of an error that the file itself throws
 */
export async function loadConfig(file: string | URL): Promise<ConnectConfig> {
  return await loadCheckedConfig(file);
}

/** @param check is asked about the file of each module that the configuration names, before the file is run */
export async function loadCheckedConfig(file: string | URL, check?: FileCheck): Promise<ConnectConfig> {
  const path = pathOf(file);
  if (!(await isFile(path))) throw wrong(path, (await isThere(path)) ? 'this is not a regular file' : 'there is no such file');
  const config = extname(path) === '.json' ? await readJson(path) : await importFile(path);
  if (typeof config !== 'object' || config === null || Array.isArray(config)) {
    throw wrong(path, 'the configuration must be an object such as { "url": "redis://localhost:6379" }');
  }
  return fromItsFolder(path, snapshotOf(config), check);
}

export async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch {
    return false;
  }
}

async function isThere(path: string): Promise<boolean> {
  return await stat(path).then(
    () => true,
    () => false,
  );
}

function pathOf(file: unknown): string {
  if (typeof file === 'string' && file !== '') return resolve(file.startsWith('file:') ? fileURLToPath(file) : file);
  if (file instanceof URL && file.protocol === 'file:') return fileURLToPath(file);
  throw wrong('loadConfig', 'the file must be named by a path or a file: URL');
}

async function readJson(file: string): Promise<unknown> {
  const bytes = await readFile(file).catch((error: unknown) => {
    throw wrong(file, (error as Error).message);
  });
  let text: string;
  try {
    text = new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    // Each byte that is not UTF-8 would become the same character, and two prefixes one.
    throw wrong(file, 'this is not valid UTF-8');
  }
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // The parser's own message quotes what stands there, which may be a password.
    throw wrong(file, 'this is not valid JSON');
  }
}

async function importFile(file: string): Promise<unknown> {
  try {
    return await loadInTime(
      async () => ((await import(/* webpackIgnore: true */ pathToFileURL(file).href)) as { readonly default?: unknown }).default,
    );
  } catch (error) {
    throw wrong(file, error instanceof Error ? error.message : String(error));
  }
}

/** The same, with nothing left in it that would count from the working directory. */
function fromItsFolder(file: string, config: Readonly<Record<string, unknown>>, check?: FileCheck): ConnectConfig {
  const folder = dirname(file);
  const changed: Record<string, unknown> = {};
  const schemes = readSchemes(file, config['schemes']);
  if (schemes !== undefined) changed['schemes'] = modulesFrom(folder, schemes, check);
  for (const option of PATH_OPTIONS) {
    const path = config[option];
    if (typeof path === 'string') changed[option] = pathFrom(folder, path);
  }
  const { url } = config;
  if (typeof url === 'string') changed['url'] = withPathsFrom(folder, url);
  return Object.defineProperties(changed, descriptorsOfOthers(config, changed));
}

function modulesFrom(folder: string, schemes: SchemeTable, check?: FileCheck): SchemeTable {
  return Object.fromEntries(
    Object.entries(schemes).map(([scheme, source]) => [scheme, typeof source === 'string' ? moduleFrom(source, folder, check) : source]),
  );
}

/** The certificates in the query of a URL; nothing else of it is touched, as it may be no URL that `URL` would understand. */
function withPathsFrom(folder: string, url: string): string {
  return url.replace(/([?&](?:sslrootcert|sslcert|sslkey)=)([^&#]*)/g, (_, name: string, value: string) => {
    const path = decoded(value);
    return `${name}${path === null ? value : encodeURIComponent(pathFrom(folder, path))}`;
  });
}

function decoded(value: string): string | null {
  try {
    return decodeURIComponent(value.replaceAll('+', ' '));
  } catch {
    return null;
  }
}

function pathFrom(folder: string, path: string): string {
  // `system` is no file but the certificates that the system trusts.
  return path === '' || path === 'system' || isAbsolute(path) ? path : resolve(folder, path);
}

function descriptorsOfOthers(config: object, changed: object): PropertyDescriptorMap {
  return Object.fromEntries(Object.entries(Object.getOwnPropertyDescriptors(config)).filter(([key]) => !Object.hasOwn(changed, key)));
}

function wrong(file: string, message: string): LockArgumentError {
  return new LockArgumentError(`${file}: ${message}`, { option: 'file' });
}
