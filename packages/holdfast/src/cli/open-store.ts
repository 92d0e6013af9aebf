import { resolve } from 'node:path';
import process from 'node:process';
import { isLockError, LockArgumentError, type LockManager } from '@holdfast/core';
import { connect } from '../connect.js';
import type { ConnectConfig } from '../connect-options.js';
import { refuseBrokenUrl, secretFromEnvironment, withPassword } from '../environment.js';
import { loadConfig } from '../load-config.js';
import { isBuiltIn } from '../schemes.js';
import { usageError } from './cli-error.js';
import { CONFIG_FILES, type FoundConfig, findConfig } from './find-config.js';
import type { Output } from './output.js';

/** The options that say where the store is; every command has them. */
export interface StoreOptions {
  readonly url?: string;
  /** A path, or false for `--no-config`. */
  readonly config?: string | false;
}

/** A whole configuration. */
export type StoreConfig = ConnectConfig & { readonly url: string };

/**
 * The store that a command is to use. The URL is the first of `--url`, HOLDFAST_URL (or HOLDFAST_URL_FILE), and `url` in the configuration file, with the password
 * of HOLDFAST_PASSWORD where that is set;
 * the file's other options hold whichever it was, so that a file in the repository and a secret in the environment go together.
 *
 * @throws CliError
 */
export async function resolveStore({ url: given, config: wanted }: StoreOptions, output: Output): Promise<StoreConfig> {
  const found = await configOf(wanted);
  const config = found?.config ?? {};
  const named = given ?? secretFromEnvironment('HOLDFAST_URL');
  if (named !== undefined) refuseBrokenUrl(given === undefined ? 'HOLDFAST_URL' : '--url', named);
  const bare: unknown = named ?? config.url;
  if (typeof bare !== 'string') {
    if (bare !== undefined) throw usageError(`${found?.file}: url must be a string such as "redis://localhost:6379"`);
    const without = found === null ? '' : ` (${found.file} has no "url")`;
    throw usageError(
      `no store is named${without}: use --url, the environment variable HOLDFAST_URL or HOLDFAST_URL_FILE, or ${CONFIG_FILES[0]} with a "url", such as redis://localhost:6379`,
    );
  }
  const url = withPassword(bare);
  output.hide(url, isBuiltIn(url, config.schemes));
  const store = Object.create(config, { url: { value: url, enumerable: true } }) as StoreConfig;
  if (found !== null) files.set(store, found);
  return store;
}

async function configOf(wanted: string | false | undefined): Promise<FoundConfig | null> {
  if (wanted === undefined) return await findConfig(workingFolder());
  return wanted === false ? null : { file: resolve(wanted), config: await loadConfig(wanted) };
}

/** @throws CliError where the folder was removed, as a release that another one has replaced */
function workingFolder(): string {
  try {
    return process.cwd();
  } catch {
    throw usageError('the working directory does not exist any more; name a configuration with --config, or use --no-config');
  }
}

/** Where the options of a configuration stand. */
const files = new WeakMap<StoreConfig, FoundConfig>();

/** What is wrong with an option says in which file: the nearest one may be some folders up. */
export function inItsFile(config: StoreConfig, error: unknown): unknown {
  const found = files.get(config);
  if (found === undefined || !isLockError(error, 'LOCK_INVALID_ARGUMENT') || !Object.hasOwn(found.config, error.option)) return error;
  if (error.option === 'url' && found.config.url !== config.url) return error;
  return new LockArgumentError(`${found.file}: ${error.message.replace(/^connect: /, '')}`, {
    option: error.option,
    backend: error.backend,
  });
}

/** Connects, does the work, and closes, whatever comes of it. */
export async function withManager<T>(config: StoreConfig, work: (manager: LockManager) => Promise<T>): Promise<T> {
  const manager = await connect(config).catch((error: unknown) => {
    throw inItsFile(config, error);
  });
  try {
    return await work(manager);
  } finally {
    await manager.close();
  }
}
