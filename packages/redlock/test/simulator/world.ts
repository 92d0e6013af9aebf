import type { Clock } from '@holdfast/core';

interface Event {
  readonly settles: boolean;
  readonly at: number;
  readonly order: number;
  run: (() => void) | null;
}

/** What the clocks of a simulation say at its beginning. */
export const EPOCH_MS = 1_000_000;

/** How many turns the promises of one event get: more than the longest chain of ours. */
const TURNS = 14;
const SETTLED = Promise.resolve();

/** One thread of virtual time: everything that happens in a simulation is an event here, and a seed decides all. */
export class World {
  now = 0;
  readonly #heap: Event[] = [];
  #order = 0;
  #state: number;

  constructor(seed: number) {
    this.#state = Math.imul(seed >>> 0, 0x9e3779b1) >>> 0 || 0x6d2b79f5;
  }

  /** In [0, 1). */
  readonly random = (): number => {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (Math.imul(this.#state, 0x2c1b3c6d) >>> 0) / 2 ** 32;
  };

  chance(probability: number): boolean {
    return this.random() < probability;
  }

  between(low: number, high: number): number {
    return low + (high - low) * this.random();
  }

  integer(low: number, high: number): number {
    return low + Math.floor(this.random() * (high - low + 1));
  }

  pick<T>(items: readonly T[]): T {
    const item = items[Math.floor(this.random() * items.length)];
    if (item === undefined) throw new RangeError('nothing to pick from');
    return item;
  }

  /** Runs something later. @param settles whether it may settle a promise @returns what takes it back */
  later(delay: number, run: () => void, settles = true): () => void {
    const event: Event = { settles, at: this.now + Math.max(0, delay), order: this.#order++, run };
    this.#push(event);
    return () => {
      event.run = null;
    };
  }

  sleep(delay: number): Promise<void> {
    return new Promise((resolve) => {
      this.later(delay, resolve);
    });
  }

  /** Lets time pass until nothing is left to happen, or `until`. */
  async run(until: number): Promise<void> {
    for (;;) {
      const event = this.#pop();
      if (event === undefined || event.at > until) return;
      if (event.run === null) continue;
      this.now = event.at;
      event.run();
      if (!event.settles) continue;
      // All promises that this event has settled come to an end before the next.
      // oxlint-disable-next-line no-await-in-loop
      for (let turn = 0; turn < TURNS; turn++) await SETTLED;
    }
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let at = heap.length;
    heap.push(event);
    while (at > 0) {
      const above = (at - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || isBefore(parent, event)) break;
      heap[at] = parent;
      at = above;
    }
    heap[at] = event;
  }

  #pop(): Event | undefined {
    const heap = this.#heap;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let at = 0;
    for (;;) {
      let below = 2 * at + 1;
      let child = heap[below];
      if (child === undefined) break;
      const right = heap[below + 1];
      if (right !== undefined && isBefore(right, child)) {
        child = right;
        below += 1;
      }
      if (isBefore(last, child)) break;
      heap[at] = child;
      at = below;
    }
    heap[at] = last;
    return first;
  }
}

function isBefore(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** A process: its clock runs at its own rate, and while it stands still nothing reaches it. */
export class Machine {
  readonly #world: World;
  readonly rate: number;
  readonly clock: Clock;
  #pausedUntil = 0;

  constructor(world: World, rate: number, skew: number) {
    this.#world = world;
    this.rate = rate;
    this.clock = {
      now: () => world.now * rate,
      wall: () => EPOCH_MS + skew + world.now * rate,
      setTimer: (delayMs, fire) => ({ cancel: world.later(delayMs / rate, () => this.reach(fire)) }),
      random: world.random,
    };
  }

  get pausedUntil(): number {
    return this.#pausedUntil;
  }

  pause(ms: number): void {
    this.#pausedUntil = Math.max(this.#pausedUntil, this.#world.now + ms);
  }

  /** Something reaches the process: now, or when it goes on. */
  reach(run: () => void): void {
    if (this.#world.now < this.#pausedUntil) this.#world.later(this.#pausedUntil - this.#world.now, () => this.reach(run));
    else run();
  }
}
