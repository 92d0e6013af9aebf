/** Clocks, and answers on their way, are not exact. */
const SLACK_MS = 50;
/** A holder that renews does so at a third of its ttl, so that more than this part of the longest rest is always left. */
const RENEWED_PART = 0.6;

/**
 * What the refusals of one name tell of the hold in front: whether that hold is being renewed. One that is not will probably expire, and nobody
 * sends a message then; of one that is, each expiry that was foretold passes without anything to ask for.
 */
export class HoldInFront {
  /** As it was foretold when it had last been moved; null while nothing is known. */
  #expiry: { readonly at: number; readonly restMs: number } | null = null;

  /** @returns whether it may be worth while to ask at its expiry, however often was asked before */
  isUnrenewed(now: number, remainingMs: number | null): boolean {
    if (remainingMs === null) {
      this.#expiry = null;
      return false;
    }
    // Renewed, or another hold.
    if (this.#expiry === null || now + remainingMs > this.#expiry.at + SLACK_MS)
      this.#expiry = { at: now + remainingMs, restMs: remainingMs };
    // Its time is over by now: who refuses behind that time says something else than when it will be free.
    if (now >= this.#expiry.at + SLACK_MS) return false;
    return remainingMs < RENEWED_PART * this.#expiry.restMs;
  }
}
