import { type Clock, systemClock } from '../index.js';

/**
 * The clock of a store that was given none: that of the first manager that asks it for a hold or sets a mark, permanently. A test that hands a
 * clock to its managers alone would else have leases that end and holds that do not.
 */
export class StoreClock implements Clock {
  #clock: Clock | null = null;

  /** @param clock the asking manager's; only the first counts */
  follow(clock: Clock): void {
    this.#clock ??= clock;
  }

  now(): number {
    return (this.#clock ?? systemClock).now();
  }
  wall(): number {
    return (this.#clock ?? systemClock).wall();
  }
  setTimer(delayMs: number, fire: () => void): { cancel(): void } {
    return (this.#clock ?? systemClock).setTimer(delayMs, fire);
  }
  random(): number {
    return (this.#clock ?? systemClock).random();
  }
}

/** Also one that another copy of this module made: a store may be shared by both. */
export function isStoreClock(clock: Clock): clock is StoreClock {
  return 'follow' in clock && typeof clock.follow === 'function';
}
