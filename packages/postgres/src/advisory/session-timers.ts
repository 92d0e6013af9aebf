import type { Clock, HoldRef } from '@holdfast/core';
import { guardMs } from '@holdfast/core/backend';
import type { HoldTable } from './hold-table.js';
import type { SessionLine } from './session-line.js';

/** How often holds are looked at whose time may be over. */
const SWEEP_MS = 250;

/** What a session does when a time has come. */
export interface TimedActions {
  /** The time of a hold is over, and nobody has released the hold. */
  letGo(hold: HoldRef): void;
  /** The server has to hear from the session. */
  speak(): void;
  /** The session was silent for longer than its holders may believe in it. */
  end(): void;
}

/** What happens in a session by itself, as time goes by. */
export class SessionTimers {
  readonly #clock: Clock;
  readonly #line: SessionLine;
  readonly #table: HoldTable;
  readonly #sessionMs: number;
  readonly #actions: TimedActions;
  #sweep: { cancel(): void } | null = null;
  #pulse: { cancel(): void } | null = null;
  /** Ends the session when the present silence lasts for too long. */
  #silence: { cancel(): void } | null = null;
  #isStopped = false;

  constructor(clock: Clock, line: SessionLine, table: HoldTable, sessionMs: number, actions: TimedActions) {
    this.#clock = clock;
    this.#line = line;
    this.#table = table;
    this.#sessionMs = sessionMs;
    this.#actions = actions;
    this.#armPulse();
  }

  /** Holds whose time is over are let go even if nobody asks for it: a manager that is stuck must not keep others out. */
  armSweep(): void {
    this.#sweep ??= this.#clock.setTimer(SWEEP_MS, () => {
      this.#sweep = null;
      if (this.#isStopped || this.#table.size === 0) return;
      const now = this.#clock.now();
      for (const hold of this.#table.holds()) if (hold.until < now) this.#actions.letGo(hold.ref);
      this.armSweep();
    });
  }

  /** What holds nothing need not be waited for; else its holders believe in it until their deadlines. */
  silent(): void {
    const left = this.#table.size === 0 ? 0 : this.#sessionMs + guardMs(this.#sessionMs) - this.#line.silentMs;
    this.#silence?.cancel();
    this.#silence = this.#clock.setTimer(Math.max(0, left), () => this.#actions.end());
  }

  /** The next silence counts from its own beginning. */
  spoken(): void {
    this.#silence?.cancel();
  }

  stop(): void {
    this.#isStopped = true;
    this.#sweep?.cancel();
    this.#pulse?.cancel();
    this.#silence?.cancel();
  }

  /** The server ends a session that asks nothing for too long: that of a process that stands still, not one that nobody needs now. */
  #armPulse(): void {
    const intervalMs = Math.max(1, Math.floor(this.#sessionMs / 3));
    this.#pulse = this.#clock.setTimer(intervalMs, () => {
      if (this.#isStopped) return;
      if (this.#line.silentMs >= intervalMs / 2) this.#actions.speak();
      this.#armPulse();
    });
  }
}
