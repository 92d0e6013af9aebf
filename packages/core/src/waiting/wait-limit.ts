import type { HoldRunner } from '../hold/hold-runner.js';
import type { StoreCalls } from '../calls/store-calls.js';
import type { Hearing } from './hearing.js';
import { HolderLook } from './holder-look.js';
import type { Wait } from './wait.js';

/** What the limit asks of the waits of one name. */
export interface LimitedWaits {
  readonly key: string;
  /** The first of the line asks, unless that is this wait itself. */
  askAheadOf(wait: Wait): void;
  end(wait: Wait, reason: unknown): void;
}

/** Ends waits of one name whose time is over, and finds out what to report: who holds the name, or that the store was not heard. */
export class WaitLimit {
  readonly #waits: LimitedWaits;
  readonly #hearing: Hearing;
  readonly #look: HolderLook;
  readonly #calls: StoreCalls;
  readonly #holds: HoldRunner;

  constructor(waits: LimitedWaits, hearing: Hearing, look: HolderLook, calls: StoreCalls, holds: HoldRunner) {
    this.#waits = waits;
    this.#hearing = hearing;
    this.#look = look;
    this.#calls = calls;
    this.#holds = holds;
  }

  /** Shortly before the wait runs out it looks who holds the name; then the wait ends, as soon as that is known or taking too long. */
  due(wait: Wait): void {
    const { clock, timers } = this.#calls;
    const now = clock.now();
    const endAt = wait.joinedAt + wait.limits.waitMs;
    if (wait.look === null) {
      // Nobody asked while this wait stood in line: the first asks now, so that the end of this wait can say whether the store is there.
      if (!this.#hearing.wasHeardBy(wait)) this.#waits.askAheadOf(wait);
      wait.stoodBehindOwn = this.#holds.holdsExclusively(this.#waits.key);
      wait.look = this.#look.start((holders) => {
        if (holders !== null) this.#hearing.looked(clock.now(), holders);
        // Without an answer the wait goes on to its end: requests of its own may still be answered.
        if (clock.now() >= endAt) this.#timeOut(wait);
      });
      timers.set(wait, Math.max(now, endAt));
      return;
    }
    const patience = wait.look.isPending ? wait.look.since + HolderLook.PATIENCE_MS : now;
    if (patience > now) timers.set(wait, patience);
    else this.#timeOut(wait);
  }

  #timeOut(wait: Wait): void {
    if (wait.isEnded) return;
    // Of a wait that has asked since, and was not answered, nobody knows whether the name was free.
    const isBehindOwn = (wait.stoodBehindOwn && wait.request === null) || this.#holds.holdsExclusively(this.#waits.key);
    const wasHeard = this.#hearing.wasHeardBy(wait) || isBehindOwn;
    const waitedMs = Math.max(0, Math.round(this.#calls.clock.now() - wait.joinedAt));
    const error = wasHeard ? this.#look.timeoutError(wait.limits.waitMs, waitedMs, wait.look?.holders ?? []) : this.#hearing.silence(wait);
    this.#waits.end(wait, error);
  }
}
