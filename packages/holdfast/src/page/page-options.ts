import { type Clock, LockArgumentError, type LockManager, type OptionRule, readOptions, rule, systemClock } from '@holdfast/core';

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

const WHERE = 'createLockPage';
const MOST_NAMES = 1_000;
const LEAST_EVERY_MS = 100;

const matches =
  (pattern: RegExp, text: string): OptionRule =>
  (value) =>
    typeof value === 'string' && pattern.test(value) ? null : text;

const clockRule: OptionRule = (value) =>
  typeof value === 'object' && value !== null && 'now' in value && 'wall' in value && 'setTimer' in value
    ? null
    : 'must be a Clock: now, wall, setTimer and random';

const OPTIONS: Readonly<Record<keyof LockPageOptions, OptionRule>> = {
  path: matches(/^\/(?:[\w.~-]+\/?)*$/, 'must be an absolute path such as "/locks"'),
  prefix: rule.string,
  names: rule.array,
  everyMs: rule.duration({ min: LEAST_EVERY_MS }),
  hosts: rule.array,
  allowRelease: rule.boolean,
  clock: clockRule,
};

/** @throws LockArgumentError LOCK_INVALID_ARGUMENT that names the option and what it must be */
export function readPageOptions(options: LockPageOptions | undefined): ResolvedPageOptions {
  const read = readOptions(WHERE, options, OPTIONS);
  const { path = '/', prefix = '', everyMs = 1_000, allowRelease = false, clock = systemClock } = read;
  // The copies are what is looked at: nobody changes them behind the look.
  const [names, hosts] = [textsOf('names', read.names), textsOf('hosts', read.hosts)];
  if (names.length > MOST_NAMES) throw refuse('names', `must be at most ${MOST_NAMES} names`);
  if (!hosts.every(isHost)) throw refuse('hosts', 'must be a list of host names such as "locks.example.com" or "[::1]:8080"');
  return {
    path: path.endsWith('/') ? path : `${path}/`,
    prefix,
    names,
    everyMs,
    hosts: hosts.map((host) => host.toLowerCase()),
    allowRelease,
    clock,
  };
}

/** @throws LockArgumentError for what is no manager */
export function readManager(manager: LockManager): LockManager {
  const broken = rule.manager(manager);
  if (broken !== null) throw refuse('manager', broken);
  return manager;
}

function textsOf(option: string, given: readonly unknown[] = []): readonly string[] {
  return Array.from(given, (each) => {
    if (typeof each !== 'string') throw refuse(option, 'must be a list of strings');
    return each;
  });
}

function isHost(host: string): boolean {
  return /^(?:[\w.-]{1,253}|\[[\da-f:.]{2,45}\])(?::\d{1,5})?$/i.test(host);
}

function refuse(option: string, text: string): LockArgumentError {
  return new LockArgumentError(`${WHERE}: ${option} ${text}`, { option });
}
