import assert from 'node:assert/strict';
import {
  type Clock,
  type Hold,
  isLockError,
  type LockErrorCode,
  type LockErrors,
  type LockLostError,
  type LockManager,
  type LockState,
  systemClock,
} from '../index.js';
import type { ConformanceFaults } from './harness.js';

/**
 * The time to live of holds that a case lets expire: long enough that a busy machine still takes the hold within a
 * third of it, short enough to wait for.
 */
export const SHORT_TTL_MS = 450;
/** Within this, whatever is promised to happen "soon" must have happened, also on a busy machine. */
export const SOON_MS = 4_000;
/**
 * How long to wait for what is not to be had: so long that a busy machine gets an answer meanwhile, without which the store
 * counts as unavailable.
 */
export const RUNS_OUT_MS = 400;
/** The time to live of holds that must not end by themselves during a case. */
export const LONG_TTL_MS = 60_000;
/** Their options. */
export const HELD = { ttlMs: LONG_TTL_MS };

/** Waits; only for what cannot be waited for by a condition, such as that nothing happens. */
export function delay(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

/**
 * A turn of the event loop. A backend in memory answers in microtasks, and a long case on it would keep the timers of
 * those that run beside it waiting.
 */
export function breathe(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/** The promise, or a failure naming `what` when it has not settled in `ms`. */
export async function within<T>(what: string, promise: PromiseLike<T>, ms = SOON_MS): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new assert.AssertionError({ message: `${what} has not settled after ${ms} ms` })), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Asks again and again until `condition` holds. */
export async function eventually(what: string, condition: () => boolean | Promise<boolean>, ms = SOON_MS): Promise<void> {
  const end = performance.now() + ms;
  while (!(await condition())) {
    if (performance.now() > end) assert.fail(`not so after ${ms} ms: ${what}`);
    await delay(10);
  }
}

/** Waits until the store counts so many waiters; where it cannot count, until the last one must have arrived. */
export async function queued(look: () => Promise<LockState>, count: number): Promise<void> {
  if ((await look()).waiters === null) await delay(100);
  else await eventually(`${count} in the queue`, async () => ((await look()).waiters ?? 0) >= count);
}

/** Waits until the store shows that somebody waits. @returns false where the store cannot tell */
export async function isSeenWaiting(manager: LockManager, name: string): Promise<boolean> {
  if ((await manager.inspect(name)).waiters === null) return false;
  await eventually('the waiter is counted', async () => ((await manager.inspect(name)).waiters ?? 0) > 0);
  return true;
}

/** As `eventually`, where the store may be out of reach until its connections are made again. */
export async function eventuallyReached(what: string, condition: () => Promise<boolean>, ms = SOON_MS): Promise<void> {
  const isReached = async (): Promise<boolean> => {
    try {
      return await condition();
    } catch (error) {
      if (isLockError(error, 'LOCK_BACKEND_UNAVAILABLE')) return false;
      throw error;
    }
  };
  await eventually(what, isReached, ms);
}

/** The manager can take a lock again, and free the lock. */
export async function worksAgain(manager: LockManager, name: () => string, ms = SOON_MS): Promise<void> {
  const isTaken = async (): Promise<boolean> => (await (await manager.tryAcquire(name(), HELD))?.release()) === true;
  await eventuallyReached('the manager works again', isTaken, ms);
}

/** Does something while the store is silent, which speaks again afterwards, whatever comes of that. */
export async function whileSilent(
  faults: Pick<Required<ConformanceFaults>, 'freeze' | 'thaw'>,
  act: () => Promise<unknown>,
): Promise<void> {
  await faults.freeze();
  try {
    await act();
  } finally {
    await faults.thaw();
  }
}

/** The call rejects, within `ms`, with an error of Holdfast that has this code. */
export async function rejectsWith<C extends LockErrorCode>(code: C, call: PromiseLike<unknown>, ms = SOON_MS): Promise<LockErrors[C]> {
  const error = await rejection(call, ms);
  if (!isLockError(error, code)) assert.fail(`expected a rejection with ${code}, got ${describe(error)}`);
  return error;
}

/** The call rejects with this very value. */
export async function rejectsWithReason(reason: unknown, call: PromiseLike<unknown>, ms = SOON_MS): Promise<void> {
  const error = await rejection(call, ms);
  assert.ok(Object.is(error, reason), `expected the signal's own reason, got ${describe(error)}`);
}

async function rejection(call: PromiseLike<unknown>, ms: number): Promise<unknown> {
  let value: unknown;
  try {
    value = await within('the call', call, ms);
  } catch (error) {
    return error;
  }
  assert.fail(`expected a rejection, got ${describe(value)}`);
}

/** What was thrown or answered, for a message. */
export function describe(value: unknown): string {
  if (isLockError(value)) return `${value.code} (${value.message})`;
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  if (typeof value === 'object' && value !== null) return 'isHeld' in value ? 'a lease' : `a ${value.constructor?.name ?? 'object'}`;
  return String(value);
}

/** The hold is notified that it is lost, within `ms`; resolves with the reason of the signal. */
export async function isLost(hold: Hold, ms = SOON_MS): Promise<LockLostError> {
  if (!hold.signal.aborted) {
    await within(
      'the signal of a lost hold',
      new Promise<void>((resolve) => hold.signal.addEventListener('abort', () => resolve(), { once: true })),
      ms,
    );
  }
  assert.equal(hold.isHeld, false, 'a lost hold says that it is held');
  assert.equal(hold.remainingMs, 0, 'a lost hold says that time remains');
  const reason: unknown = hold.signal.reason;
  if (!isLockError(reason, 'LOCK_LOST')) assert.fail(`the signal of a lost hold has the reason ${describe(reason)}`);
  return reason;
}

/** Somebody has the lock: one attempt says busy. */
export async function isBusy(manager: LockManager, name: string): Promise<void> {
  const lease = await manager.tryAcquire(name, HELD);
  if (lease === null) return;
  await lease.release();
  assert.fail('the lock was granted though somebody has it');
}

/** Nobody has the lock, or the one who has it is about to free it: it can be taken within `ms`, and is freed again. */
export async function isFree(manager: LockManager, name: string, ms = SOON_MS): Promise<void> {
  const lease = await manager.acquire(name, { waitMs: ms, ttlMs: LONG_TTL_MS }).catch((error: unknown) => {
    assert.fail(`the lock should be free, but: ${describe(error)}`);
  });
  assert.equal(await lease.release(), true);
}

/** The lease, where null would mean busy. */
export function granted<T>(lease: T | null | undefined, what = 'a free lock was refused'): T {
  assert.ok(lease !== null && lease !== undefined, what);
  return lease;
}

/** A promise that the case itself settles. */
export interface Gate {
  readonly opened: Promise<void>;
  open(): void;
}
export function gate(): Gate {
  let open!: () => void;
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

/** Keeps the outcome of a promise at hand without leaving its rejection unhandled. */
export interface Watched<T> {
  readonly settled: boolean;
  readonly promise: Promise<T>;
}
export function watch<T>(promise: Promise<T>): Watched<T> {
  const watched = { settled: false, promise };
  const done = (): void => {
    watched.settled = true;
  };
  promise.then(done, done);
  return watched;
}

/** Counts who is inside, and remembers the most there ever were. */
export class Occupancy {
  #now = 0;
  #most = 0;

  get most(): number {
    return this.#most;
  }

  async during(weight: number, inside: () => Promise<void>): Promise<void> {
    this.#now += weight;
    this.#most = Math.max(this.#most, this.#now);
    try {
      await inside();
    } finally {
      this.#now -= weight;
    }
  }
}

/** The clock of a machine whose time is off, for `peer({ clock })`. */
export function skewedClock(skewMs: number): Clock {
  return {
    now: () => systemClock.now() + skewMs,
    wall: () => systemClock.wall() + skewMs,
    setTimer: (delayMs, fire) => systemClock.setTimer(delayMs, fire),
    random: () => systemClock.random(),
  };
}
