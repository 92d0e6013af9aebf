import { setImmediate } from 'node:timers';
import { checkValue, type Clock, MAX_DURATION_MS, type OptionRule, readOptions, rule } from '../index.js';
import { seededRandom } from './seeded-random.js';

// Captured at load: fake timers that a test installs must not stop the clock that it moves by hand.
const immediate = setImmediate;

// A callback that sets a timer for the same moment again and again would never let the time go on.
const MAX_FIRED_AT_ONE_TIME = 100_000;

/** Options of `createManualClock`. */
export interface ManualClockOptions {
  /**
   * The wall clock's first reading, in milliseconds since the epoch.
   * @default 2026-01-01T00:00:00Z
   */
  readonly wallMs?: number | undefined;
  /**
   * Where the sequence of `random()` starts.
   * @default 1
   */
  readonly seed?: number | undefined;
}

/** A clock that stands still until a test moves it. Hand it to the manager and to the store. */
export interface ManualClock extends Clock {
  /** How many timers are set: what a test compares with when it asks whether anything was left behind. */
  readonly pendingTimers: number;
  /**
   * Lets time go by: fires every timer that falls due, in order, with the clock standing at its due time, and lets
   * what it started run (promises, microtasks) before the next. Then stands at now + `ms`.
   *
   * @throws Error when an earlier `advance` has not finished, or when a timer's callback throws
   */
  advance(ms: number): Promise<void>;
  /** Lets promises run without letting time go by. */
  settle(): Promise<void>;
  /** Time goes by but no timer fires, as in a process that is stopped or whose event loop is blocked. They fire late, with the next `advance`. */
  block(ms: number): void;
  /** The wall clock goes on while the monotonic clock and the timers stand still, as on a machine that sleeps. */
  suspend(ms: number): void;
  /** The wall clock is set forward, or back with a negative number; nothing else moves. */
  jumpWall(ms: number): void;
  /** The wall clock is set to a time, in milliseconds since the epoch; nothing else moves. */
  setWall(wallMs: number): void;
}

const wallRule = rule.integer(-8.64e15, 8.64e15);
const clockRules = { wallMs: wallRule, seed: rule.integer(0, 2 ** 32 - 1) };
const passedRule: OptionRule = rule.duration();

/**
 * Makes a clock that only a test moves.
 *
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT
 *
 * @example
 * ```ts
 * import { createMemoryLockManager } from 'holdfast/memory';
 * import { createManualClock, createTestMemoryStore } from 'holdfast/testing';
 *
 * const clock = createManualClock();
 * const locks = createMemoryLockManager({ clock, store: createTestMemoryStore({ clock }) });
 * const lease = await locks.acquire('invoice:42', { ttlMs: 30_000, renew: false });
 * await clock.advance(30_000); // no second goes by on the wall
 * console.log(lease.isHeld); // false
 * await locks.close();
 * ```
 */
export function createManualClock(options: ManualClockOptions = {}): ManualClock {
  const { wallMs = Date.UTC(2026, 0, 1), seed = 1 } = readOptions('createManualClock', options, clockRules);
  return new SteppedClock(wallMs, seed);
}

interface Timer {
  readonly due: number;
  readonly fire: () => void;
}

class SteppedClock implements ManualClock {
  // In order of their due times, and of their making where these are the same.
  readonly #timers: Timer[] = [];
  readonly random: () => number;
  #now = 0;
  #wallAhead: number;
  #isAdvancing = false;

  constructor(wallMs: number, seed: number) {
    this.#wallAhead = wallMs;
    this.random = seededRandom(seed);
  }

  get pendingTimers(): number {
    return this.#timers.length;
  }

  now(): number {
    return this.#now;
  }

  wall(): number {
    return this.#now + this.#wallAhead;
  }

  setTimer(delayMs: number, fire: () => void): { cancel(): void } {
    const timer: Timer = { due: this.#now + Math.min(Math.max(delayMs, 0), MAX_DURATION_MS), fire };
    this.#timers.splice(this.#placeFor(timer.due), 0, timer);
    return {
      cancel: () => {
        const index = this.#timers.indexOf(timer);
        if (index !== -1) this.#timers.splice(index, 1);
      },
    };
  }

  async advance(ms: number): Promise<void> {
    checkValue('advance', 'ms', ms, passedRule);
    if (this.#isAdvancing) throw new Error('advance: the last one has not finished; await it first');
    this.#isAdvancing = true;
    try {
      await this.#advanceTo(this.#now + ms);
    } finally {
      this.#isAdvancing = false;
    }
  }

  async settle(): Promise<void> {
    // Each turn runs every microtask that is there, however many one leads to; the second is for what the first
    // turn's immediates started.
    for (let turn = 0; turn < 2; turn += 1) await new Promise<void>((resolve) => immediate(resolve));
  }

  block(ms: number): void {
    checkValue('block', 'ms', ms, passedRule);
    this.#now += ms;
  }

  suspend(ms: number): void {
    checkValue('suspend', 'ms', ms, passedRule);
    this.#wallAhead += ms;
  }

  jumpWall(ms: number): void {
    checkValue('jumpWall', 'ms', ms, wallRule);
    this.#wallAhead += ms;
  }

  setWall(wallMs: number): void {
    checkValue('setWall', 'wallMs', wallMs, wallRule);
    this.#wallAhead = wallMs - this.#now;
  }

  async #advanceTo(target: number): Promise<void> {
    await this.settle();
    let firedHere = 0;
    for (let [next] = this.#timers; next !== undefined && next.due <= target; [next] = this.#timers) {
      firedHere = next.due > this.#now ? 1 : firedHere + 1;
      if (firedHere > MAX_FIRED_AT_ONE_TIME) throw new Error(`advance: timers at ${this.#now} ms keep setting timers for the same moment`);
      this.#timers.shift();
      this.#now = Math.max(this.#now, next.due);
      next.fire();
      await this.settle();
    }
    // What ran in between may have blocked past the target.
    this.#now = Math.max(this.#now, target);
    await this.settle();
  }

  /** Behind every timer that is due then or before. */
  #placeFor(due: number): number {
    let low = 0;
    let high = this.#timers.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.#timers[middle]?.due ?? Number.POSITIVE_INFINITY) <= due) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
