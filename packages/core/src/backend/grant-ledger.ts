import { isPast } from './server-clock.js';

/** What may yet take effect of one owner's requests. */
export interface OpenGrant {
  /** The largest of all its requests, by the server's clock, ms. */
  notAfter: number;
  unanswered: number;
  /** Of some request no answer came, or a driver may have sent a second copy. */
  isUnsure: boolean;
  /** What all of them were sent on, if that is one and keeps their order; else null. */
  way: object | null;
  /** Local monotonic time from which `notAfter` has passed. */
  forgetAt: number;
  /** A release was sent: whatever is refused from now on is not asked again. */
  isReleased: boolean;
}

const SWEEP_FROM = 1000;

/**
 * For each owner what its granting requests may still do. An owner stands here from its first request on until all of
 * them were answered, or a release was final; most are gone after a round trip.
 *
 * A release is final when
 * - every granting request of the owner had been answered before the release was sent;
 * - or they have been since, and were sent before the release on the same connection, so the server dealt with them first;
 * - or the server carried the release out at a time that lies beyond the last of them.
 */
export class GrantLedger {
  readonly #open = new Map<string, OpenGrant>();
  #sweepAt = SWEEP_FROM;

  /** @param way the connection, if it keeps the order of what is sent @param forgetAt see `OpenGrant` */
  sent(owner: string, notAfter: number, way: object | null, now: number, forgetAt: number): void {
    const grant = this.#open.get(owner);
    if (grant !== undefined) {
      grant.notAfter = Math.max(grant.notAfter, notAfter);
      grant.forgetAt = Math.max(grant.forgetAt, forgetAt);
      grant.unanswered += 1;
      if (grant.way !== way) grant.way = null;
      return;
    }
    if (this.#open.size >= this.#sweepAt) this.#sweep(now);
    this.#open.set(owner, { notAfter, unanswered: 1, isUnsure: false, way, forgetAt, isReleased: false });
  }

  /**
   * @param isSure whether the answer proves that the request cannot take effect (again)
   * @returns whether that is so of everything that the owner asked for
   */
  settled(owner: string, isSure: boolean): boolean {
    const grant = this.#open.get(owner);
    if (grant === undefined) return isSure;
    grant.unanswered -= 1;
    if (!isSure) grant.isUnsure = true;
    return grant.unanswered <= 0 && !grant.isUnsure && this.#open.delete(owner);
  }

  /** A release of the owner's is being sent. @returns what had not been answered until then; undefined: nothing */
  releasing(owner: string): OpenGrant | undefined {
    const grant = this.#open.get(owner);
    if (grant !== undefined) grant.isReleased = true;
    return grant;
  }

  /** Whether a request that was refused as late may be asked again: not behind a release, of which nobody would know. */
  mayAskAgain(owner: string): boolean {
    return this.#open.get(owner)?.isReleased === false;
  }

  /**
   * @param before what `releasing` said when the release was sent
   * @param way what the release was sent on
   * @param server the server's time in the release's own answer
   */
  isFinal(owner: string, before: OpenGrant | undefined, way: object | null, server: number): boolean {
    if (before === undefined || (way !== null && before.way === way && isAnswered(before))) return true;
    if (!isPast(server, before.notAfter)) return false;
    if (this.#open.get(owner) === before) this.#open.delete(owner);
    return true;
  }

  /** Nobody releases what was asked for by a manager that has given up. */
  #sweep(now: number): void {
    for (const [owner, { forgetAt }] of this.#open) if (forgetAt <= now) this.#open.delete(owner);
    this.#sweepAt = Math.max(SWEEP_FROM, this.#open.size * 2);
  }
}

function isAnswered({ unanswered, isUnsure }: OpenGrant): boolean {
  return unanswered <= 0 && !isUnsure;
}
