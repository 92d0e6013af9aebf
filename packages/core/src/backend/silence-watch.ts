import type { Clock } from '../contract/clock.js';
import { setAnswerDeadline } from './answer-deadline.js';
import type { Step } from './connection.js';
import type { Flight } from './flight.js';

/**
 * One timer for all commands under way: most are answered long before it fires. A command that was not answered in its time
 * costs its own connection, and no other: half-open, or the server hangs. What travels there settles when it has ended.
 */
export class SilenceWatch<S extends Step> {
  readonly #clock: Clock;
  readonly #inFlight: readonly Flight<S>[];
  readonly refuseAfterMs: number;
  #timer: { cancel(): void } | null = null;
  /** When it looks next whether an answer is missing. */
  firesAt = Number.POSITIVE_INFINITY;
  #isClosed = false;
  /** The server has not answered for so long that there is no use in asking. Until it answers, or its connection ends: the next may answer. */
  isSilent = false;

  constructor(clock: Clock, inFlight: readonly Flight<S>[], refuseAfterMs: number) {
    this.#clock = clock;
    this.#inFlight = inFlight;
    this.refuseAfterMs = refuseAfterMs;
  }

  /** An answer is expected by `dueAt`, before all others. */
  arm(now: number, dueAt: number): void {
    this.#disarm();
    if (this.#isClosed) return;
    this.firesAt = dueAt;
    this.#timer = setAnswerDeadline(this.#clock, Math.ceil(dueAt - now), this.#look);
  }

  close(): void {
    this.#isClosed = true;
    this.#disarm();
  }

  #disarm(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.firesAt = Number.POSITIVE_INFINITY;
  }

  readonly #look = (now: number): void => {
    this.#disarm();
    let next = Number.POSITIVE_INFINITY;
    for (const flight of this.#inFlight) {
      const { sentAt, patienceMs, contact, route } = flight;
      if (!this.isSilent && sentAt + this.refuseAfterMs <= now) this.isSilent = true;
      if (!this.isSilent) next = Math.min(next, sentAt + this.refuseAfterMs);
      if (flight.isGivenUp) continue;
      if (sentAt + patienceMs > now) next = Math.min(next, sentAt + patienceMs);
      else {
        flight.isGivenUp = true;
        contact?.connection.giveUp(route);
      }
    }
    if (next !== Number.POSITIVE_INFINITY) this.arm(this.#clock.now(), next);
  };
}
