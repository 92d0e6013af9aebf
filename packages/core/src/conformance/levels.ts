import type { Capabilities } from '../index.js';

/** A capability that a backend has or lacks. */
export type CapabilityName = Exclude<keyof Capabilities, 'expiry' | 'maxPermits'>;

/**
 * The version of the suite. The first number rises when a backend that reached a level may not reach it any more (a case was added or
 * became stricter), the second when reports got better.
 */
export const SUITE_VERSION = '1.0';

/** What a backend can be said to do. Each name stands for all cases that it requires. */
export type LevelName =
  | 'lock'
  | 'late'
  | 'fencing'
  | 'semaphores'
  | 'read-write'
  | 'fair'
  | 'push'
  | 'marks'
  | 'list'
  | 'session'
  | 'nodes';

/** One level: what a backend may claim when it passes all cases of it. */
export interface Level {
  /** By which reports name it. */
  readonly name: LevelName;
  /** What it says of a backend that reached it. */
  readonly says: string;
  /** Whether a backend that declares these capabilities claims it. */
  isClaimed(capabilities: Capabilities): boolean;
}

const always = (): boolean => true;

/** All levels. 'lock' is required of everybody, and the others stand on it. */
export const levels: readonly Level[] = [
  { name: 'lock', says: 'one holder at most, notified in time, freed when it dies; what is down is never called busy', isClaimed: always },
  { name: 'late', says: 'a request that arrives after it was given up takes no effect', isClaimed: always },
  { name: 'fencing', says: 'tokens that rise with every grant', isClaimed: ({ fencing }) => fencing },
  { name: 'semaphores', says: 'permits that are counted correctly', isClaimed: ({ semaphores }) => semaphores },
  { name: 'read-write', says: 'readers share, writers do not', isClaimed: ({ readWriteLocks }) => readWriteLocks },
  { name: 'fair', says: 'first come, first served, over all clients', isClaimed: ({ fair }) => fair },
  { name: 'push', says: 'waiters are woken, and do not poll', isClaimed: ({ push }) => push },
  { name: 'marks', says: 'completion marks', isClaimed: ({ marks }) => marks },
  { name: 'list', says: 'what is held can be listed', isClaimed: ({ list }) => list },
  { name: 'session', says: 'holds end with their session, and no later', isClaimed: ({ expiry }) => expiry === 'session' },
  { name: 'nodes', says: 'one server of several may stop', isClaimed: always },
];

/** Which level a need leads to; the first of a case's needs in this order decides. */
const LEVEL_OF_NEED: readonly (readonly [CapabilityName, LevelName])[] = [
  ['marks', 'marks'],
  ['list', 'list'],
  ['fair', 'fair'],
  ['push', 'push'],
  ['readWriteLocks', 'read-write'],
  ['semaphores', 'semaphores'],
  ['fencing', 'fencing'],
];

/** @param ofRule the level that the rule of the case asks for, if it does */
export function levelOfCase(needs: readonly CapabilityName[], ofRule: LevelName | undefined): LevelName {
  if (ofRule !== undefined) return ofRule;
  return LEVEL_OF_NEED.find(([need]) => needs.includes(need))?.[1] ?? 'lock';
}
