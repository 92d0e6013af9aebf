import type { LockBackend, Stamp } from '../contract/backend.js';
import type { FencingToken } from '../contract/lease.js';
import type { LockLostError, LostReason } from '../errors.js';
import type { EventSource } from '../events.js';
import { guardMs } from '../store/guard.js';
import type { StoreCalls } from '../store/store-calls.js';
import { type HoldPlan, isExclusive, refOf } from './hold-plan.js';
import { HoldRecord } from './hold-record.js';
import { beliefMs, isSessionStore, storeTtlMs } from './hold-times.js';
import { lostError } from './lost-error.js';
import { Renewer } from './renewer.js';
import type { Undoer } from './undoer.js';

/**
 * Knows every hold of one manager: keeps its deadline, has it renewed in time, and tells its loss.
 *
 * Loss needs no network: a timer fires at the deadline and every look at the lease checks the clock. It is latched.
 */
export class Keeper {
  readonly #backend: LockBackend;
  readonly #calls: StoreCalls;
  readonly #events: EventSource;
  readonly #undoer: Undoer;
  readonly #records = new Map<string, HoldRecord>();
  readonly #exclusive = new Map<string, HoldRecord>();
  readonly #renewer: Renewer;
  readonly #onDue = (record: HoldRecord): void => {
    if (this.check(record)) this.#renewer.due(record);
  };
  #whenChanged: (() => void)[] = [];
  #onEnd: (record: HoldRecord) => void = () => {};

  constructor(backend: LockBackend, calls: StoreCalls, events: EventSource, undoer: Undoer) {
    this.#backend = backend;
    this.#calls = calls;
    this.#events = events;
    this.#undoer = undoer;
    this.#renewer = new Renewer(backend, calls, events, this);
    backend.onLost?.((hold, reason) => {
      const record = this.#records.get(hold.owner);
      if (record !== undefined) this.lose(record, reason);
    });
  }

  /** Calls `listener` when a hold ends, however it ends: the queue of this manager's own waiters moves on. */
  onEnd(listener: (record: HoldRecord) => void): void {
    this.#onEnd = listener;
  }

  /** Resolves when the next hold has ended. */
  changed(): Promise<void> {
    return new Promise((resolve) => {
      this.#whenChanged.push(resolve);
    });
  }

  get size(): number {
    return this.#records.size;
  }

  records(): readonly HoldRecord[] {
    return [...this.#records.values()];
  }

  /** Whether this manager itself holds the key against everybody else. */
  holdsExclusively(key: string): boolean {
    const record = this.#exclusive.get(key);
    return record !== undefined && this.check(record);
  }

  /** What the store is told: the holder's belief and the guard time. */
  storeTtlMs(ttlMs: number): number {
    return storeTtlMs(this.#backend, ttlMs);
  }

  /**
   * Takes a grant into care.
   *
   * @returns null when it came too late to be believed: the deadline counts from before the request was sent
   */
  adopt(plan: HoldPlan, owner: string, fencingToken: FencingToken, stamp: Stamp): HoldRecord | null {
    const capMs = isSessionStore(this.#backend) && !plan.renew ? plan.ttlMs : Number.POSITIVE_INFINITY;
    const record = new HoldRecord(plan, owner, fencingToken, stamp, capMs, this.#onDue);
    record.holdUntil(stamp, beliefMs(this.#backend, plan.ttlMs));
    if (record.remaining(this.#calls.clock) <= 0) return null;
    this.#records.set(owner, record);
    if (isExclusive(plan)) this.#exclusive.set(plan.key, record);
    this.#renewer.begin(record);
    return record;
  }

  /** Whether the hold may be believed in now. Latches the loss when its time is up. */
  check(record: HoldRecord): boolean {
    if (record.state !== 'held') return false;
    if (this.#left(record) > 0) return true;
    this.lose(record, record.isAtMaxHold(this.#calls.clock) ? 'max-hold' : 'deadline');
    return false;
  }

  /** Whole milliseconds, never more than are left: 0 in the last one, though the hold stands. */
  remainingMs(record: HoldRecord): number {
    return this.check(record) ? Math.max(0, Math.floor(this.#left(record))) : 0;
  }

  /** @throws LockLostError when the hold has ended */
  assertHeld(record: HoldRecord): void {
    if (!this.check(record)) throw record.lost ?? this.#endedError(record);
  }

  /** Ends the belief in the hold: its signal aborts first, then the store is told where that is due. */
  lose(record: HoldRecord, reason: LostReason): void {
    if (record.state !== 'held') return;
    this.#forget(record);
    const { plan, fencingToken } = record;
    record.lose(lostError(reason, { lockName: plan.name, backend: this.#backend.name, fencingToken }));
    this.#events.emit({
      type: 'lost',
      kind: plan.kind,
      name: plan.name,
      label: plan.label,
      reason,
      heldMs: this.heldMs(record),
      fencingToken,
    });
    if (reason === 'max-hold') this.undo(record);
    // The session keeps what the deadline ended; a ttl store frees it by itself.
    if (reason === 'deadline' && isSessionStore(this.#backend)) this.#undoAfterGuard(record);
    this.#onEnd(record);
  }

  /** Stops all care for the hold before its release is sent. false when it is lost already. */
  beginRelease(record: HoldRecord): boolean {
    if (!this.check(record)) return false;
    record.state = 'releasing';
    this.#forget(record);
    return true;
  }

  /** The local end of a hold whose release is on its way: this manager's next waiter may ask right behind it. */
  announceEnd(record: HoldRecord): void {
    this.#onEnd(record);
  }

  /** Frees the hold in the background, whatever the store has of it. */
  undo(record: HoldRecord): void {
    this.#undoer.add(refOf(record.plan, record.owner), () => true, this.storeTtlMs(record.longestTtlMs));
  }

  heldMs(record: HoldRecord): number {
    return Math.max(0, Math.round(this.#calls.clock.now() - record.grantedAt.now));
  }

  /** Moves the deadline by hand; see `Hold.extend`. */
  async extend(records: readonly HoldRecord[], ttlMs: number | undefined): Promise<void> {
    for (const record of records) this.assertHeld(record);
    try {
      await Promise.all(records.map((record) => this.#renewer.extend(record, ttlMs ?? record.plan.ttlMs)));
    } finally {
      // What ended while the store did not answer is lost, and to ask again would not help.
      for (const record of records) this.assertHeld(record);
    }
  }

  /** What a loss is told with that only the release revealed. */
  goneError(record: HoldRecord): LockLostError {
    return lostError('taken', { lockName: record.plan.name, backend: this.#backend.name, fencingToken: record.fencingToken });
  }

  #endedError(record: HoldRecord): Error {
    return lostError('released', { lockName: record.plan.name, backend: this.#backend.name, fencingToken: record.fencingToken });
  }

  /** What is left by the clock, or by what the backend can vouch for. */
  #left(record: HoldRecord): number {
    const left = record.remaining(this.#calls.clock);
    return this.#backend.remainingMs === undefined ? left : Math.min(left, this.#backend.remainingMs(record.owner));
  }

  #forget(record: HoldRecord): void {
    this.#calls.timers.remove(record);
    this.#records.delete(record.owner);
    if (this.#whenChanged.length > 0) for (const resolve of this.#whenChanged.splice(0)) resolve();
    const key = record.plan.key;
    if (this.#exclusive.get(key) === record) this.#exclusive.delete(key);
  }

  #undoAfterGuard(record: HoldRecord): void {
    const { timers, clock } = this.#calls;
    const entry = { dueAt: 0, heapIndex: -1, onDue: () => this.undo(record) };
    timers.set(entry, clock.now() + guardMs(record.plan.ttlMs));
  }
}
