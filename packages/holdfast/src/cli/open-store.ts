import process from 'node:process';
import type { LockManager } from '@holdfast/core';
import { connect } from '../connect.js';
import type { ConnectConfig } from '../connect-options.js';
import { usageError } from './cli-error.js';
import { CONFIG_FILES, findConfig, loadConfig } from './find-config.js';
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
 * The store that a command is to use. The URL is the first of `--url`, HOLDFAST_URL, and `url` in the configuration file;
 * the file's other options hold whichever it was, so that a file in the repository and a secret in the environment go together.
 *
 * @throws CliError
 */
export async function resolveStore({ url: given, config: wanted }: StoreOptions, output: Output): Promise<StoreConfig> {
  const found = wanted === undefined ? await findConfig(process.cwd()) : wanted === false ? null : await loadConfig(wanted);
  const config = found?.config ?? {};
  const set = process.env['HOLDFAST_URL']?.trim();
  const url: unknown = given ?? (set === undefined || set === '' ? config.url : set);
  if (typeof url !== 'string') {
    if (url !== undefined) throw usageError(`${found?.file}: url must be a string such as "redis://localhost:6379"`);
    throw usageError(
      `no store is named: use --url, the environment variable HOLDFAST_URL, or ${CONFIG_FILES[0]} with a "url", such as redis://localhost:6379`,
    );
  }
  output.hide(url);
  return { ...config, url };
}

/** Connects, does the work, and closes, whatever comes of it. */
export async function withManager<T>(config: StoreConfig, work: (manager: LockManager) => Promise<T>): Promise<T> {
  const manager = await connect(config);
  try {
    return await work(manager);
  } finally {
    await manager.close();
  }
}
