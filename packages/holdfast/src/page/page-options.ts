import { type Clock, LockArgumentError, type LockManager, systemClock } from '@holdfast/core';

/** What `createLockPage` shows, and to whom. */
export interface LockPageOptions {
  /** Where the page is mounted, as browsers see it: an absolute path such as `/locks`. @default '/' */
  readonly path?: string | undefined;
  /** Only names that begin with it, for looking and for taking away. @default '' */
  readonly prefix?: string | undefined;
  /** Names to look at one by one besides, held or not: needed where the store cannot list. At most 1,000. @default [] */
  readonly names?: readonly string[] | undefined;
  /** Time between two looks at the store while somebody watches, in milliseconds, from 100 on. @default 1_000 */
  readonly everyMs?: number | undefined;
  /**
   * The host names, `name` or `name:port`, by which browsers may ask for the page beside `localhost`, `127.0.0.1` and `[::1]`. A request for any other
   * is refused: it is how a web page on the Internet would reach a page of this network (DNS rebinding). @default []
   */
  readonly hosts?: readonly string[] | undefined;
  /** Whether locks may be taken away from their holders by the page. @default false */
  readonly allowRelease?: boolean | undefined;
  /** The source of time. @default the system's */
  readonly clock?: Clock | undefined;
}

/** The same with nothing left out; `path` ends with a slash. */
export type ResolvedPageOptions = { readonly [K in keyof LockPageOptions]-?: NonNullable<LockPageOptions[K]> };

const MOST_NAMES = 1_000;
const LEAST_EVERY_MS = 100;
const MOST_EVERY_MS = 2 ** 31 - 1;

/** @throws LockArgumentError LOCK_INVALID_ARGUMENT that names the option and what it must be */
export function readPageOptions(options: unknown): ResolvedPageOptions {
  const given = options ?? {};
  if (typeof given !== 'object') throw refuse('options', 'must be an object');
  const {
    path = '/',
    prefix = '',
    names = [],
    everyMs = 1_000,
    hosts = [],
    allowRelease = false,
    clock = systemClock,
    ...rest
  } = given as { readonly [K in keyof LockPageOptions]: unknown };
  const [unknown] = Object.keys(rest);
  if (unknown !== undefined) throw refuse(unknown, 'is no option; known are path, prefix, names, everyMs, hosts, allowRelease and clock');
  if (typeof path !== 'string' || !/^\/(?:[\w.~-]+\/?)*$/.test(path)) throw refuse('path', 'must be an absolute path such as "/locks"');
  if (typeof prefix !== 'string') throw refuse('prefix', 'must be a string');
  if (!areTexts(names) || names.length > MOST_NAMES) throw refuse('names', `must be a list of at most ${MOST_NAMES} names`);
  if (!areTexts(hosts) || !hosts.every(isHost))
    throw refuse('hosts', 'must be a list of host names such as "locks.example.com" or "[::1]:8080"');
  if (!Number.isInteger(everyMs) || (everyMs as number) < LEAST_EVERY_MS || (everyMs as number) > MOST_EVERY_MS) {
    throw refuse('everyMs', `must be an integer from ${LEAST_EVERY_MS} to ${MOST_EVERY_MS}`);
  }
  if (typeof allowRelease !== 'boolean') throw refuse('allowRelease', 'must be a boolean');
  if (!isClock(clock)) throw refuse('clock', 'must be a Clock: now, wall, setTimer and random');
  return {
    path: path.endsWith('/') ? path : `${path}/`,
    prefix,
    names: [...names],
    everyMs: everyMs as number,
    hosts: hosts.map((host) => host.toLowerCase()),
    allowRelease,
    clock,
  };
}

/** @throws LockArgumentError for what is no manager */
export function readManager(manager: unknown): LockManager {
  const isManager = typeof manager === 'object' && manager !== null && 'inspect' in manager && 'list' in manager && 'id' in manager;
  if (!isManager) throw refuse('manager', 'must be a lock manager');
  return manager as LockManager;
}

function areTexts(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((each) => typeof each === 'string');
}

function isHost(host: string): boolean {
  return /^(?:[\w.-]{1,253}|\[[\da-f:.]{2,45}\])(?::\d{1,5})?$/i.test(host);
}

function isClock(value: unknown): value is Clock {
  return typeof value === 'object' && value !== null && 'now' in value && 'wall' in value && 'setTimer' in value;
}

function refuse(option: string, rule: string): LockArgumentError {
  return new LockArgumentError(`createLockPage: ${option} ${rule}`, { option });
}
