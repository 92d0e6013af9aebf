import { systemClock } from '@holdfast/core';

/** So often at most, while it is used, a client is asked whether its connection is still the same. */
const LOOK_MS = 1000;

/** Notices that a driver has reconnected which reports nothing: both ends of the connection are asked for, in front of what is asked anyway. */
export class ConnectionLook {
  readonly #ask: () => Promise<unknown>;
  readonly #onOther: () => void;
  #lookedAt = Number.NEGATIVE_INFINITY;
  /** As the server knows them; null before the first look. */
  #ends: string | null = null;

  /**
   * @param ask the answer of CLIENT INFO
   * @param onOther called each time that the connection is another one
   */
  constructor(ask: () => Promise<unknown>, onOther: () => void) {
    this.#ask = ask;
    this.#onOther = onOther;
  }

  /** The connection is known to be lost: the next one is no surprise. */
  forget(): void {
    this.#ends = null;
  }

  look(): void {
    const now = systemClock.now();
    if (now - this.#lookedAt < LOOK_MS) return;
    this.#lookedAt = now;
    this.#ask().then(
      (info) => {
        const ends = /\bid=\d+ addr=\S+ laddr=\S+/.exec(String(info))?.[0] ?? null;
        const before = this.#ends;
        if (before !== null && before !== ends) this.#onOther();
        this.#ends = ends;
      },
      // Where the user has no permission to ask, a lost connection is noticed by what fails.
      () => {},
    );
  }
}
