import type { AnyLockError } from '../errors.js';
import type { StoreCalls } from '../calls/store-calls.js';
import type { TimerEntry } from '../time/timer-queue.js';
import type { Hearing } from './hearing.js';
import type { HolderLook } from './holder-look.js';
import type { Wait } from './wait.js';

/** Those that wait for one name. */
export interface WatchedWaits {
  readonly waits: ReadonlySet<Wait>;
  end(wait: Wait, error: AnyLockError): void;
}

/** Ends waits that have met nothing but failures for long enough. */
export class OutageWatch {
  readonly #hearing: Hearing;
  readonly #look: HolderLook;
  readonly #calls: StoreCalls;
  readonly #afterMs: number;
  readonly #watched: WatchedWaits;
  // Made when they are first set: most queues live for one request.
  #outageEntry: TimerEntry | null = null;
  #probeEntry: TimerEntry | null = null;
  #isProbing = false;

  constructor(hearing: Hearing, look: HolderLook, calls: StoreCalls, afterMs: number, watched: WatchedWaits) {
    this.#hearing = hearing;
    this.#look = look;
    this.#calls = calls;
    this.#afterMs = afterMs;
    this.#watched = watched;
  }

  /** @param isProbed a place in the store's own queue says nothing while it waits: looks part a long wait from a silent store */
  joined(wait: Wait, isProbed: boolean): void {
    // One that comes during an outage starts with a time of its own.
    if (this.#hearing.failing !== null) this.#arm();
    if (isProbed) this.#planProbe(wait.limits.waitMs / 2);
  }

  failed(): void {
    if (this.#outageEntry === null || this.#outageEntry.heapIndex < 0) this.#arm();
  }

  answered(): void {
    if (this.#outageEntry !== null) this.#calls.timers.remove(this.#outageEntry);
  }

  stop(): void {
    this.answered();
    if (this.#probeEntry !== null) this.#calls.timers.remove(this.#probeEntry);
  }

  /** When the first of the waits has met nothing but failures for long enough. */
  #arm(): void {
    const { failing } = this.#hearing;
    if (failing === null) return;
    let first = Number.POSITIVE_INFINITY;
    for (const { joinedAt } of this.#watched.waits) first = Math.min(first, Math.max(failing.since, joinedAt));
    this.#outageEntry ??= { dueAt: 0, heapIndex: -1, onDue: () => this.#end() };
    this.#calls.timers.set(this.#outageEntry, first + this.#afterMs);
  }

  #end(): void {
    const { failing } = this.#hearing;
    if (failing === null) return;
    const now = this.#calls.clock.now();
    for (const wait of [...this.#watched.waits]) {
      if (Math.max(failing.since, wait.joinedAt) + this.#afterMs <= now) this.#watched.end(wait, failing.error);
    }
    if (this.#watched.waits.size > 0) this.#arm();
  }

  #planProbe(withinMs: number): void {
    const { clock, commandTimeoutMs, timers } = this.#calls;
    const at = clock.now() + Math.min(withinMs, commandTimeoutMs);
    this.#probeEntry ??= { dueAt: 0, heapIndex: -1, onDue: () => void this.#probe() };
    if (this.#isProbing || (this.#probeEntry.heapIndex >= 0 && this.#probeEntry.dueAt <= at)) return;
    timers.set(this.#probeEntry, at);
  }

  /** One look a name and command timeout, where nothing else was heard. Never rejects. */
  async #probe(): Promise<void> {
    const { clock, commandTimeoutMs } = this.#calls;
    // The waits' own requests fail, and go on asking: a look would say nothing besides.
    if (this.#hearing.failing?.by === 'answer') {
      this.#planProbe(commandTimeoutMs);
      return;
    }
    const quietMs = clock.now() - this.#hearing.answeredAt;
    if (quietMs < commandTimeoutMs) {
      // A whole millisecond at least: a rest smaller than what the clock can tell apart would be due at once, for ever.
      this.#planProbe(Math.max(1, commandTimeoutMs - quietMs));
      return;
    }
    const [first] = this.#watched.waits;
    const since = first === undefined || this.#hearing.wasReached ? clock.now() : first.joinedAt;
    this.#isProbing = true;
    try {
      this.#hearing.looked(clock.now(), await this.#look.ask(commandTimeoutMs));
      if (this.#hearing.failing === null) this.answered();
    } catch (error) {
      this.#hearing.lookFailed(error as AnyLockError, since);
      this.failed();
    }
    this.#isProbing = false;
    if (this.#watched.waits.size > 0) this.#planProbe(commandTimeoutMs);
  }
}
