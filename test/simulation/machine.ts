import type { Clock } from '@holdfast/core';
import { Random } from './random.js';
import type { World } from './world.js';

/** What the wall clocks of a simulation say at its beginning, in milliseconds. */
export const EPOCH_MS = 200_000_000_000;

/** A process on a machine: its clocks run at their own rate, and while it stands still nothing reaches it. */
export class Machine {
  readonly #world: World;
  readonly rate: number;
  readonly clock: Clock;
  #wallAheadMs: number;
  #pausedUntil = 0;
  #isDead = false;
  #timers = 0;

  /** @param rate how fast its clocks run @param skewMs how far its wall clock is ahead */
  constructor(world: World, rate: number, skewMs: number) {
    this.#world = world;
    this.rate = rate;
    this.#wallAheadMs = EPOCH_MS + skewMs;
    this.clock = {
      now: () => world.now * rate,
      wall: () => this.#wallAheadMs + world.now * rate,
      setTimer: (delayMs, fire) => this.#setTimer(delayMs, fire),
      // A sequence of its own: how often a process draws must not change what happens to others.
      random: new Random(Math.round(rate * 1e9) ^ Math.round(skewMs)).random,
    };
  }

  /** How many timers of its clock are set: what is compared when it is asked whether anything was left. */
  get timers(): number {
    return this.#timers;
  }

  get isDead(): boolean {
    return this.#isDead;
  }

  get isPaused(): boolean {
    return this.#world.now < this.#pausedUntil;
  }

  get pausedUntil(): number {
    return this.#pausedUntil;
  }

  /** Stands still, as a process whose event loop is blocked or that is stopped; its clocks go on. */
  pause(ms: number): void {
    this.#pausedUntil = Math.max(this.#pausedUntil, this.#world.now + ms);
  }

  /** The wall clock is set. */
  jumpWall(ms: number): void {
    this.#wallAheadMs += ms;
  }

  /** The process is killed: nothing reaches it any more. */
  kill(): void {
    this.#isDead = true;
  }

  /** Something reaches the process: now, or when it goes on. */
  reach(run: () => void): void {
    if (this.#isDead) return;
    if (this.isPaused) this.#world.later(this.#pausedUntil - this.#world.now, () => this.reach(run));
    else run();
  }

  #setTimer(delayMs: number, fire: () => void): { cancel(): void } {
    this.#timers += 1;
    let isOver = false;
    const end = (): boolean => {
      if (isOver) return false;
      isOver = true;
      this.#timers -= 1;
      return true;
    };
    const takeBack = this.#world.later(Math.max(0, delayMs) / this.rate, () =>
      this.reach(() => {
        if (end()) fire();
      }),
    );
    return {
      cancel: () => {
        if (end()) takeBack();
      },
    };
  }
}
