import { env } from 'node:process';
import { checkValue, LockArgumentError, rule } from '@holdfast/core';
import type { Requirement } from './connect-options.js';
import { urlFromEnvironment } from './environment.js';
import { MAX_URL_LENGTH } from './redact-url.js';
import { combine, isPromise, type OptionSnapshot, snapshotOf, without } from './option-snapshot.js';
import { readSchemes, type SchemeTable } from './schemes.js';

const requirements: readonly string[] = [
  'fencing',
  'semaphores',
  'readWriteLocks',
  'fair',
  'push',
  'marks',
  'list',
] satisfies Requirement[];

/** A whole call of `connect`, however it was written. */
export interface Settings {
  readonly url: string;
  readonly require: readonly Requirement[];
  readonly schemes: SchemeTable | undefined;
  /** The manager's options and the backend's, still together. */
  readonly options: OptionSnapshot;
}

/** Brings the three ways of calling together. */
export function settingsOf(where: string, urlOrConfig: unknown, second: unknown): Settings {
  const first = typeof urlOrConfig === 'string' || urlOrConfig === undefined ? { url: urlOrConfig } : urlOrConfig;
  if (first instanceof URL)
    throw new LockArgumentError(`${where}: the URL must be a string; pass the URL object's href`, { option: 'url' });
  if (typeof first !== 'object' || first === null || Array.isArray(first)) {
    throw new LockArgumentError(`${where}: the first argument must be a URL or a configuration object`, { option: 'url' });
  }
  if (isPromise(first)) {
    throw new LockArgumentError(`${where}: the configuration is a promise; await it: connect(await loadConfig(file))`, { option: 'url' });
  }
  if (second !== undefined && (typeof second !== 'object' || second === null || Array.isArray(second))) {
    throw new LockArgumentError(`${where}: options must be an object`, { option: 'options' });
  }
  const all = combine(where, [snapshotOf(first), snapshotOf(second ?? {})]);
  return {
    url: urlFrom(where, all['url'], Object.keys(first)),
    require: readRequire(where, all['require']),
    schemes: readSchemes(where, all['schemes']),
    options: without(all, ['url', 'require', 'schemes']),
  };
}

function urlFrom(where: string, url: unknown, given: readonly string[]): string {
  const found = givenUrl(where, url, given);
  if (found.length <= MAX_URL_LENGTH) return found;
  throw new LockArgumentError(`${where}: the URL is ${found.length} long; it must be at most ${MAX_URL_LENGTH}`, { option: 'url' });
}

function givenUrl(where: string, url: unknown, given: readonly string[]): string {
  if (url !== undefined) {
    checkValue(where, 'url', url, rule.secret(rule.string));
    if ((url as string).trim() === '')
      throw new LockArgumentError(`${where}: the URL is empty; give one such as redis://localhost:6379`, { option: 'url' });
    return (url as string).trim();
  }
  const set = urlFromEnvironment();
  if (set === undefined) {
    const meant = given.find((key) => /^(?:redis|connection|database)?_?(?:ur[il]|string|host|server)s?$/i.test(key) && key !== 'url');
    throw new LockArgumentError(
      `${where}: no URL is given${meant === undefined ? '' : ` (${JSON.stringify(meant)} is no option; did you mean url?)`} and the environment variable HOLDFAST_URL is ${env['HOLDFAST_URL'] === undefined ? 'not set' : 'empty'}; set it to the store, ` +
        `such as redis://localhost:6379 (or memory: to lock within this process only). connect looks for no file: ` +
        `connect(await loadConfig('holdfast.config.json')) reads one`,
      { option: 'url' },
    );
  }
  return set;
}

function readRequire(where: string, value: unknown): readonly Requirement[] {
  if (value === undefined) return [];
  const names: readonly unknown[] = Array.isArray(value) ? [...(value as readonly unknown[])] : [null];
  if (!names.every((item) => requirements.includes(item as string))) {
    throw new LockArgumentError(`${where}: require must be an array of ${requirements.join(', ')}, such as ['fencing']`, {
      option: 'require',
    });
  }
  return names as readonly Requirement[];
}
