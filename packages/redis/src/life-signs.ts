import type { Clock, Stamp } from '@holdfast/core';

/** For how long the head of the queue may believe in what a message has granted, from the sign of life that the message names; see waiters.lua. */
export const PROVISIONAL_MS = 1800;
/**
 * With less than this left it asks first: a process that stands still for 900 ms, just when its task has begun, must not lose what it would have kept
 * otherwise. A confirmation takes a round trip, which may be longer than the last one.
 */
const LEAST_LEFT_MS = 1000;
const ROUND_TRIPS = 4;
/** As many as can be on their way at a time. */
const REMEMBERED = 4;

/**
 * The last signs of life of this manager that one server has answered: the server's time of each, by which messages name it, and when it was
 * sent. Of two in the same millisecond either will do, as both were sent before it.
 */
export class LifeSigns {
  #signs: { readonly server: number; readonly stamp: Stamp; readonly tookMs: number }[] = [];
  #from: object | null = null;

  /** @param from the connection that it was answered on: another one may lead to another server, with another clock */
  answered(server: number, stamp: Stamp, from: object | null, clock: Clock): void {
    if (from !== this.#from) this.#signs = [];
    this.#from = from;
    this.#signs.push({ server, stamp, tookMs: clock.now() - stamp.now });
    if (this.#signs.length > REMEMBERED) this.#signs.shift();
  }

  /**
   * When the sign was sent that a message names, if enough is left of the time that counts from it; null where it is not known (its answer
   * is still on its way, or another server has carried it out) or too old: then the head asks.
   */
  base(server: number, from: object | null, clock: Clock): Stamp | null {
    if (from === null || from !== this.#from) return null;
    const sign = this.#signs.findLast((each) => each.server === server);
    if (sign === undefined) return null;
    const { stamp, tookMs } = sign;
    const spentMs = Math.max(clock.now() - stamp.now, clock.wall() - stamp.wall);
    return PROVISIONAL_MS - spentMs >= LEAST_LEFT_MS + ROUND_TRIPS * tookMs ? stamp : null;
  }
}
