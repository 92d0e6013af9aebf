import type { HoldRef, LockBackend, Stamp } from '../contract/backend.js';
import type { FencingToken } from '../contract/lease.js';
import { type AnyLockError, type LockLostError, type LostReason, LockUnavailableError } from '../errors.js';
import type { EventSource } from '../events.js';
import { guardMs } from '../store/guard.js';
import { isForGood } from '../store/is-for-good.js';
import { byPartition } from '../store/partitions.js';
import { stampOf } from '../store/stamp.js';
import type { StoreCalls } from '../store/store-calls.js';
import { type Extension, ExtensionBatch } from './extension-batch.js';
import { type HoldPlan, isExclusive, refOf } from './hold-plan.js';
import { HoldRecord } from './hold-record.js';
import { lostError } from './lost-error.js';
import type { Undoer } from './undoer.js';

/** Batches of renewals are at least this far apart. */
const BATCH_GAP_MS = 10;
/** A verification must not lengthen the hold; the store never shortens one. */
const VERIFY_TTL_MS = 1;

/**
 * Knows every hold of one manager: keeps its deadline, renews it in time, and tells its loss.
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
  #batch: HoldRecord[] = [];
  #lastBatchAt = Number.NEGATIVE_INFINITY;
  readonly #flushEntry = { dueAt: 0, heapIndex: -1, onDue: () => this.#flush() };
  readonly #onDue = (record: HoldRecord): void => {
    this.#due(record);
  };
  #whenChanged: (() => void)[] = [];
  #onEnd: (record: HoldRecord) => void = () => {};
  readonly #extensions = new ExtensionBatch((extensions) => this.#sendExtensions(extensions));

  constructor(backend: LockBackend, calls: StoreCalls, events: EventSource, undoer: Undoer) {
    this.#backend = backend;
    this.#calls = calls;
    this.#events = events;
    this.#undoer = undoer;
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
    return this.#backend.capabilities.expiry === 'ttl' ? ttlMs + guardMs(ttlMs) : ttlMs;
  }

  /**
   * Takes a grant into care.
   *
   * @returns null when it came too late to be believed: the deadline counts from before the request was sent
   */
  adopt(plan: HoldPlan, owner: string, fencingToken: FencingToken, stamp: Stamp): HoldRecord | null {
    const capMs = this.#isSession && !plan.renew ? plan.ttlMs : Number.POSITIVE_INFINITY;
    const record = new HoldRecord(plan, owner, fencingToken, stamp, capMs, this.#onDue);
    record.holdUntil(stamp, this.#span(plan.ttlMs));
    if (record.remaining(this.#calls.clock) <= 0) return null;
    this.#records.set(owner, record);
    if (isExclusive(plan)) this.#exclusive.set(plan.key, record);
    this.#planRenewal(record, stamp.now);
    this.#schedule(record);
    return record;
  }

  /** Whether the hold may be believed in now. Latches the loss when its time is up. */
  check(record: HoldRecord): boolean {
    if (record.state !== 'held') return false;
    if (this.#left(record) > 0) return true;
    this.lose(record, record.isAtMaxHold(this.#calls.clock) ? 'max-hold' : 'deadline');
    return false;
  }

  remainingMs(record: HoldRecord): number {
    return this.check(record) ? Math.max(0, this.#left(record)) : 0;
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
    if (reason === 'deadline' && this.#isSession) this.#undoAfterGuard(record);
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
    await Promise.all(records.map((record) => this.#extensions.add(record, ttlMs ?? record.plan.ttlMs)));
    for (const record of records) this.assertHeld(record);
  }

  /** Those that may take equally long share a request: a short lease must not cut the others' time. */
  #sendExtensions(extensions: readonly Extension[]): void {
    const alike = new Map<number, Extension[]>();
    for (const extension of extensions) {
      const timeoutMs = this.#timeoutFor([extension.record]);
      const group = alike.get(timeoutMs);
      if (group === undefined) alike.set(timeoutMs, [extension]);
      else group.push(extension);
    }
    for (const [timeoutMs, group] of alike) {
      for (const batch of byPartition(this.#backend, group, ({ record }) => record.plan.name)) void this.#extendBatch(batch, timeoutMs);
    }
  }

  /** Never rejects: each extension is told its own outcome. */
  async #extendBatch(extensions: readonly Extension[], timeoutMs: number): Promise<void> {
    const holds = extensions.map(({ record, ttlMs }) => {
      record.longestTtlMs = Math.max(record.longestTtlMs, ttlMs);
      return this.#renewalOf(record, this.storeTtlMs(ttlMs));
    });
    const stamp = stampOf(this.#calls.clock);
    const name = extensions.length === 1 ? (extensions[0]?.record.plan.name ?? null) : null;
    try {
      const answers = await this.#calls.run(name, (call) => this.#backend.renew(holds, call), timeoutMs);
      for (const [index, { record, ttlMs, settle }] of extensions.entries()) {
        if (answers[index] === null) {
          settle(this.#undecided(record));
          continue;
        }
        if (answers[index] !== true) this.lose(record, 'taken');
        if (this.check(record)) {
          record.capUntil(stamp, ttlMs);
          record.holdUntil(stamp, this.#span(ttlMs));
          this.#schedule(record);
        }
        settle();
      }
    } catch (error) {
      if (extensions.length > 1 && isForGood(error)) for (const extension of extensions) void this.#extendBatch([extension], timeoutMs);
      else for (const { settle } of extensions) settle(error);
    }
  }

  #undecided(record: HoldRecord): LockUnavailableError {
    return new LockUnavailableError('the store could not tell whether the hold stands', {
      backend: this.#backend.name,
      lockName: record.plan.name,
    });
  }

  /** What a loss is told with that only the release revealed. */
  goneError(record: HoldRecord): LockLostError {
    return lostError('taken', { lockName: record.plan.name, backend: this.#backend.name, fencingToken: record.fencingToken });
  }

  #endedError(record: HoldRecord): Error {
    return lostError('released', { lockName: record.plan.name, backend: this.#backend.name, fencingToken: record.fencingToken });
  }

  get #isSession(): boolean {
    return this.#backend.capabilities.expiry === 'session';
  }

  /** For how long one good answer may be believed. */
  #span(ttlMs: number): number {
    return this.#isSession ? Math.min(ttlMs, this.#backend.sessionMs ?? ttlMs) : ttlMs;
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

  /** Renewal at a third. Times are rounded down to a grain, so that holds taken at about the same time share a batch. */
  #planRenewal(record: HoldRecord, from: number): void {
    const interval = this.#span(record.plan.ttlMs) / 3;
    const grain = Math.min(Math.max(interval / 10, BATCH_GAP_MS), 1_000);
    const at = from + interval;
    const rounded = Math.floor(at / grain) * grain;
    record.renewAt = rounded > from ? rounded : at;
  }

  #schedule(record: HoldRecord): void {
    const { timers, clock } = this.#calls;
    const end = clock.now() + Math.max(0, record.remaining(clock));
    timers.set(record, record.isRenewing ? end : Math.min(end, record.renewAt));
  }

  #due(record: HoldRecord): void {
    if (!this.check(record)) return;
    if (!record.isRenewing && record.renewAt <= this.#calls.clock.now()) {
      record.isRenewing = true;
      this.#batch.push(record);
      const { timers } = this.#calls;
      if (this.#flushEntry.heapIndex < 0) timers.set(this.#flushEntry, Math.max(this.#calls.clock.now(), this.#lastBatchAt + BATCH_GAP_MS));
    }
    this.#schedule(record);
  }

  #flush(): void {
    this.#lastBatchAt = this.#calls.clock.now();
    const due = this.#batch.filter((record) => record.state === 'held');
    this.#batch = [];
    for (const group of byPartition(this.#backend, due, (record) => record.plan.name)) void this.#renew(group);
  }

  /** Never rejects. A reply that comes after our own deadline for the call is used all the same. */
  async #renew(records: readonly HoldRecord[]): Promise<void> {
    const stamp = stampOf(this.#calls.clock);
    const holds = records.map((record) => this.#renewalOf(record, record.plan.renew ? this.storeTtlMs(record.plan.ttlMs) : VERIFY_TTL_MS));
    try {
      await this.#calls.run(
        null,
        async (call) => {
          this.#renewed(records, await this.#backend.renew(holds, call), stamp);
        },
        this.#timeoutFor(records),
      );
    } catch (error) {
      if (records.length > 1 && isForGood(error)) for (const record of records) void this.#renew([record]);
      else this.#renewFailed(records, error as AnyLockError);
    }
  }

  #renewed(records: readonly HoldRecord[], answers: readonly (boolean | null)[], stamp: Stamp): void {
    for (const [index, record] of records.entries()) {
      record.isRenewing = false;
      if (answers[index] === null) this.#renewFailed([record], this.#undecided(record));
      if (answers[index] === false) this.lose(record, 'taken');
      // Late is lost: the reply must come before the old deadline.
      if (answers[index] !== true || !this.check(record)) continue;
      if (record.plan.renew || this.#isSession) record.holdUntil(stamp, this.#span(record.plan.ttlMs));
      this.#planRenewal(record, stamp.now);
      this.#schedule(record);
    }
  }

  #renewFailed(records: readonly HoldRecord[], error: AnyLockError): void {
    const { clock } = this.#calls;
    for (const record of records) {
      record.isRenewing = false;
      if (!this.check(record)) continue;
      const remainingMs = record.remaining(clock);
      record.renewAt = clock.now() + Math.min(Math.max(remainingMs / 8, BATCH_GAP_MS), 1_000);
      this.#schedule(record);
      const { kind, name, label } = record.plan;
      this.#events.emit({ type: 'renew-failed', kind, name, label, remainingMs, error });
    }
  }

  #renewalOf(record: HoldRecord, ttlMs: number): HoldRef & { readonly ttlMs: number } {
    return { ...refOf(record.plan, record.owner), ttlMs };
  }

  /** A hold depends on the answer: a third of the shortest ttl leaves time for two more tries. */
  #timeoutFor(records: readonly HoldRecord[]): number {
    let shortest = Number.POSITIVE_INFINITY;
    for (const record of records) shortest = Math.min(shortest, this.#span(record.plan.ttlMs));
    return Math.max(1, Math.min(this.#calls.commandTimeoutMs, Math.ceil(shortest / 3)));
  }
}
