import { env } from 'node:process';
import { checkValue, LockArgumentError, rule } from '@holdfast/core';
import type { Requirement } from './connect-options.js';
import { checkSchemes, type SchemeTable } from './schemes.js';

/** The environment variable that `connect` reads when no URL is given. */
const URL_VARIABLE = 'HOLDFAST_URL';

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
  readonly options: Readonly<Record<string, unknown>>;
}

/** Brings the three ways of calling together. */
export function settingsOf(where: string, urlOrConfig: unknown, second: unknown): Settings {
  const first = typeof urlOrConfig === 'string' || urlOrConfig === undefined ? { url: urlOrConfig } : urlOrConfig;
  if (first instanceof URL)
    throw new LockArgumentError(`${where}: the URL must be a string; pass the URL object's href`, { option: 'url' });
  if (typeof first !== 'object' || first === null || Array.isArray(first)) {
    throw new LockArgumentError(`${where}: the first argument must be a URL or a configuration object`, { option: 'url' });
  }
  if (second !== undefined && (typeof second !== 'object' || second === null || Array.isArray(second))) {
    throw new LockArgumentError(`${where}: options must be an object`, { option: 'options' });
  }
  const { url, require, schemes, ...options } = combine(where, [
    first as Readonly<Record<string, unknown>>,
    (second ?? {}) as Readonly<Record<string, unknown>>,
  ]);
  checkSchemes(where, schemes);
  return { url: urlFrom(where, url, Object.keys(first)), require: checkRequire(where, require), schemes, options };
}

/** All options together; one that is there twice is refused, because whichever won would surprise somebody. */
export function combine(
  where: string,
  sources: readonly Readonly<Record<string, unknown>>[],
  places = 'the configuration and in the options',
): Record<string, unknown> {
  const all: Record<string, unknown> = {};
  for (const [key, value] of sources.flatMap((source) => Object.entries(source))) {
    if (value === undefined) continue;
    if (Object.hasOwn(all, key))
      throw new LockArgumentError(`${where}: ${key} is given twice, in ${places}; give it once`, { option: key });
    Object.defineProperty(all, key, { value, enumerable: true });
  }
  return all;
}

function urlFrom(where: string, url: unknown, given: readonly string[]): string {
  if (url !== undefined) {
    checkValue(where, 'url', url, rule.secret(rule.string));
    if ((url as string).trim() === '')
      throw new LockArgumentError(`${where}: the URL is empty; give one such as redis://localhost:6379`, { option: 'url' });
    return (url as string).trim();
  }
  const set = env[URL_VARIABLE]?.trim();
  if (set === undefined || set === '') {
    const meant = given.find((key) => /^(?:redis|connection|database)?_?(?:ur[il]|string|host|server)s?$/i.test(key) && key !== 'url');
    throw new LockArgumentError(
      `${where}: no URL is given${meant === undefined ? '' : ` (${JSON.stringify(meant)} is no option; did you mean url?)`} and the environment variable ${URL_VARIABLE} is ${set === undefined ? 'not set' : 'empty'}; set it to the store, ` +
        `such as redis://localhost:6379 (or memory: to lock within this process only)`,
      { option: 'url' },
    );
  }
  return set;
}

function checkRequire(where: string, value: unknown): readonly Requirement[] {
  if (value === undefined) return [];
  if (!Array.isArray(value) || !value.every((item) => requirements.includes(item as string))) {
    throw new LockArgumentError(`${where}: require must be an array of ${requirements.join(', ')}, such as ['fencing']`, {
      option: 'require',
    });
  }
  return value as readonly Requirement[];
}
