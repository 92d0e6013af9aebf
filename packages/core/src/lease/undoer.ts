import type { HoldRef, LockBackend } from '../contract/backend.js';
import { isForGood } from '../store/is-for-good.js';
import { byPartition } from '../store/partitions.js';
import type { StoreCall, StoreCalls } from '../store/store-calls.js';
import type { TimerEntry } from '../store/timer-queue.js';
import { wasNeverSent } from '../store/was-never-sent.js';

const FIRST_RETRY_MS = 50;
const LAST_RETRY_MS = 1_000;

interface Doubt {
  readonly ref: HoldRef;
  /** Whether the request that may have left the hold can still be carried out. */
  readonly isSettled: () => boolean;
  /** Monotonic time from which the hold has ended by itself. */
  readonly until: number;
}

/** What an attempt may have left. */
export interface Leftover {
  readonly ref: HoldRef;
  /** After this it has ended by itself; see `add`. */
  readonly withinMs: number;
}

/**
 * Frees holds that may or may not stand: an attempt whose reply was lost, a release that was not answered.
 *
 * A release is repeated until one is answered that was sent after the request in doubt had been answered or its
 * connection had ended; before that, the request may overtake the release and leave a lock that nobody holds. All
 * doubts share one loop and one call, so an outage costs little however many there are.
 */
export class Undoer implements TimerEntry {
  dueAt = 0;
  heapIndex = -1;
  readonly #backend: LockBackend;
  readonly #calls: StoreCalls;
  readonly #doubts = new Map<string, Doubt>();
  #delayMs = FIRST_RETRY_MS;
  #isRunning = false;
  #again = false;
  #isClosed = false;
  #whenEmpty: (() => void)[] = [];

  constructor(backend: LockBackend, calls: StoreCalls) {
    this.#backend = backend;
    this.#calls = calls;
  }

  /**
   * @param isSettled see `StoreCall.isSettled`
   * @param withinMs after this the hold has ended by itself; in a session store it has not, while the session lives
   */
  add(ref: HoldRef, isSettled: () => boolean, withinMs: number): void {
    if (this.#isClosed) return;
    const endsAlone = this.#backend.capabilities.expiry === 'ttl';
    const until = endsAlone ? this.#calls.clock.now() + withinMs : Number.POSITIVE_INFINITY;
    this.#doubts.set(ref.owner, { ref, isSettled, until });
    this.#delayMs = FIRST_RETRY_MS;
    this.poke();
  }

  /**
   * Adds what an attempt may have left that failed, or was ended, with `error`: nothing if it was never sent, which may be known
   * only later.
   */
  addAttempt(left: readonly Leftover[], attempt: Pick<StoreCall<unknown>, 'isSettled' | 'onSettled'>, error: unknown): void {
    if (wasNeverSent(error, this.#backend.name)) return;
    for (const { ref, withinMs } of left) this.add(ref, () => attempt.isSettled, withinMs);
    attempt.onSettled((failure) => {
      if (wasNeverSent(failure, this.#backend.name)) this.#drop(left);
      else this.poke();
    });
  }

  #drop(left: readonly Leftover[]): void {
    for (const { ref } of left) this.#doubts.delete(ref.owner);
    if (this.#doubts.size > 0 || this.#isRunning) return;
    this.#calls.timers.remove(this);
    this.#tellEmpty();
  }

  /** Tries at once: a request in doubt has settled. */
  poke(): void {
    if (this.#doubts.size === 0) return;
    if (this.#isRunning) this.#again = true;
    else void this.#run();
  }

  /** Resolves when nothing is in doubt any more. */
  drained(): Promise<void> {
    if (this.#doubts.size === 0 && !this.#isRunning) return Promise.resolve();
    return new Promise((resolve) => {
      this.#whenEmpty.push(resolve);
    });
  }

  /** Gives up: the backend is closed, and what is left ends by itself or with the session. */
  close(): void {
    this.#isClosed = true;
    this.#doubts.clear();
  }

  onDue(): void {
    this.poke();
  }

  /** Never rejects: every failure is a reason to try again. */
  async #run(): Promise<void> {
    this.#isRunning = true;
    this.#calls.timers.remove(this);
    do {
      this.#again = false;
      const doubts = [...this.#doubts.values()];
      const groups = byPartition(this.#backend, doubts, (doubt) => doubt.ref.name);
      // oxlint-disable-next-line no-await-in-loop
      await Promise.all(groups.map((group) => this.#release(group)));
    } while (this.#again && this.#doubts.size > 0);
    this.#isRunning = false;
    if (this.#doubts.size > 0) {
      this.#calls.timers.set(this, this.#calls.clock.now() + this.#delayMs);
      this.#delayMs = Math.min(this.#delayMs * 2, LAST_RETRY_MS);
      return;
    }
    this.#tellEmpty();
  }

  #tellEmpty(): void {
    for (const resolve of this.#whenEmpty.splice(0)) resolve();
  }

  async #release(doubts: readonly Doubt[]): Promise<void> {
    const wereSettled = doubts.map((doubt) => doubt.isSettled());
    const refs = doubts.map((doubt) => doubt.ref);
    let isOver = (_index: number): boolean => false;
    try {
      await this.#calls.run(null, (call) => this.#backend.release(refs, call));
      isOver = (index) => wereSettled[index] === true;
    } catch (error) {
      if (isForGood(error)) {
        if (doubts.length > 1) {
          await Promise.all(doubts.map((doubt) => this.#release([doubt])));
          return;
        }
        // It will not change by asking again; the hold, if there is one, ends by itself.
        isOver = () => true;
      }
    }
    const now = this.#calls.clock.now();
    for (const [index, doubt] of doubts.entries()) {
      if (isOver(index) || now >= doubt.until) this.#doubts.delete(doubt.ref.owner);
    }
  }
}
