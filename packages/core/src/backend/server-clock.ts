/** Two clocks of which each may be wrong by 1 %: 1.01 / 0.99. */
const RATE = 1.021;
/** How far ahead of the server's clock a moment may lie: a sample of another server may be an hour off. */
const WINDOW_MS = 60_000;
/** How far a server's clock may be set back, or a successor's be behind, without harm. */
const MARGIN_MS = 1000;

/**
 * The clock of one server as it is seen over one connection: the latest answer's reading of it. The estimate decides only
 * whether a request is refused without need; what is refused, the server decides by its own clock.
 */
export class ServerClock {
  #at = 0;
  #server = 0;

  /**
   * @param at local monotonic time before the answered request was sent
   * @param server the server's time in its answer, ms
   * @param tookMs the round trip; one that took longer than the request might is too vague to be of use
   */
  note(at: number, server: number, tookMs: number, timeoutMs: number): void {
    if (!Number.isSafeInteger(server) || server <= 0 || tookMs > timeoutMs) return;
    if (this.#server !== 0 && at < this.#at) return;
    this.#at = at;
    this.#server = server;
  }

  /** Until when, by the server's clock, a request that is sent now may take effect; 0 before the server was heard. */
  notAfter(now: number, timeoutMs: number): number {
    return this.#server === 0 ? 0 : Math.floor(this.#server + (now - this.#at + timeoutMs) * RATE);
  }
}

/** The same from one reading, `ageMs` after the question that it answers was sent. */
export function notAfterFrom(server: number, ageMs: number, timeoutMs: number): number {
  return Math.floor(server + (ageMs + timeoutMs) * RATE);
}

/** How far ahead of its clock a server accepts a `notAfter`. */
export function windowMs(timeoutMs: number): number {
  return WINDOW_MS + Math.ceil(timeoutMs * RATE);
}

/** Whether nothing can take effect any more that had to by `notAfter`, now that the server's clock shows `server`. */
export function isPast(server: number, notAfter: number): boolean {
  return server > notAfter + MARGIN_MS;
}

/** After so long, by any clock, a `notAfter` of a request sent now lies in the past. */
export function surelyPastMs(timeoutMs: number): number {
  return 2 * (windowMs(timeoutMs) + MARGIN_MS);
}

/** What follows from the time that a request has. */
export function limitsOf(timeoutMs: number): { readonly timeoutMs: number; readonly window: string; readonly forgetMs: number } {
  return { timeoutMs, window: String(windowMs(timeoutMs)), forgetMs: surelyPastMs(timeoutMs) };
}
