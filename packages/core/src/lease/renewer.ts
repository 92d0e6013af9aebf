import type { HoldRef, LockBackend, Stamp } from '../contract/backend.js';
import { type AnyLockError, type LostReason, LockUnavailableError } from '../errors.js';
import type { EventSource } from '../events.js';
import { isForGood } from '../store/is-for-good.js';
import { byPartition } from '../store/partitions.js';
import { stampOf } from '../store/stamp.js';
import type { StoreCalls } from '../store/store-calls.js';
import { type Extension, ExtensionBatch } from './extension-batch.js';
import { refOf } from './hold-plan.js';
import type { HoldRecord } from './hold-record.js';
import { beliefMs, isSessionStore, storeTtlMs } from './hold-times.js';

/** Batches of renewals are at least this far apart. */
const BATCH_GAP_MS = 10;
/** A verification must not lengthen the hold; the store never shortens one. */
const VERIFY_TTL_MS = 1;

/** Who decides whether a hold stands. */
export interface HoldJudge {
  /** Whether the hold may be believed in now. */
  check(record: HoldRecord): boolean;
  lose(record: HoldRecord, reason: LostReason): void;
}

/** Renews the holds of one manager in time, many with one request, and extends them when their holders ask for it. */
export class Renewer {
  readonly #backend: LockBackend;
  readonly #calls: StoreCalls;
  readonly #events: EventSource;
  readonly #judge: HoldJudge;
  readonly #extensions = new ExtensionBatch((extensions) => this.#sendExtensions(extensions));
  #batch: HoldRecord[] = [];
  #lastBatchAt = Number.NEGATIVE_INFINITY;
  readonly #flushEntry = { dueAt: 0, heapIndex: -1, onDue: () => this.#flush() };

  constructor(backend: LockBackend, calls: StoreCalls, events: EventSource, judge: HoldJudge) {
    this.#backend = backend;
    this.#calls = calls;
    this.#events = events;
    this.#judge = judge;
  }

  /** Sets the record's timer for its first renewal, or for its deadline if that is earlier. */
  begin(record: HoldRecord): void {
    this.#planRenewal(record, record.grantedAt.now);
    this.#schedule(record);
  }

  /** To be called when the timer of a hold that still stands has fired. */
  due(record: HoldRecord): void {
    if (!record.isRenewing && record.renewAt <= this.#calls.clock.now()) {
      record.isRenewing = true;
      this.#batch.push(record);
      const { timers } = this.#calls;
      if (this.#flushEntry.heapIndex < 0) timers.set(this.#flushEntry, Math.max(this.#calls.clock.now(), this.#lastBatchAt + BATCH_GAP_MS));
    }
    this.#schedule(record);
  }

  /** Moves a deadline by hand. Rejects when the store cannot be asked; a loss is told to the judge. */
  extend(record: HoldRecord, ttlMs: number): Promise<void> {
    return this.#extensions.add(record, ttlMs);
  }

  /** Renewal at a third. Times are rounded down to a grain, so that holds taken at about the same time share a batch. */
  #planRenewal(record: HoldRecord, from: number): void {
    const interval = beliefMs(this.#backend, record.plan.ttlMs) / 3;
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

  #flush(): void {
    this.#lastBatchAt = this.#calls.clock.now();
    const due = this.#batch.filter((record) => record.state === 'held');
    this.#batch = [];
    for (const group of byPartition(this.#backend, due, (record) => record.plan.name)) void this.#renew(group);
  }

  /** Never rejects. A reply that comes after our own deadline for the call is used all the same. */
  async #renew(records: readonly HoldRecord[]): Promise<void> {
    const stamp = stampOf(this.#calls.clock);
    const holds = records.map((record) => this.#renewalOf(record, record.plan.renew ? record.plan.ttlMs : null));
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
      if (answers[index] === false) this.#judge.lose(record, 'taken');
      // Late is lost: the reply must come before the old deadline.
      if (answers[index] !== true || !this.#judge.check(record)) continue;
      const { renew, ttlMs } = record.plan;
      if (renew || isSessionStore(this.#backend)) record.holdUntil(stamp, beliefMs(this.#backend, ttlMs));
      this.#planRenewal(record, stamp.now);
      this.#schedule(record);
    }
  }

  #renewFailed(records: readonly HoldRecord[], error: AnyLockError): void {
    const { clock } = this.#calls;
    for (const record of records) {
      record.isRenewing = false;
      if (!this.#judge.check(record)) continue;
      const remainingMs = record.remaining(clock);
      record.renewAt = clock.now() + Math.min(Math.max(remainingMs / 8, BATCH_GAP_MS), 1_000);
      this.#schedule(record);
      const { kind, name, label } = record.plan;
      this.#events.emit({ type: 'renew-failed', kind, name, label, remainingMs: Math.floor(remainingMs), error });
    }
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
      return this.#renewalOf(record, ttlMs);
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
        if (answers[index] !== true) this.#judge.lose(record, 'taken');
        if (this.#judge.check(record)) {
          record.capUntil(stamp, ttlMs);
          record.holdUntil(stamp, beliefMs(this.#backend, ttlMs));
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

  /** @param ttlMs null only asks whether the hold stands */
  #renewalOf({ plan, owner }: HoldRecord, ttlMs: number | null): HoldRef & { readonly ttlMs: number } {
    return { ...refOf(plan, owner), ttlMs: ttlMs === null ? VERIFY_TTL_MS : storeTtlMs(this.#backend, ttlMs) };
  }

  /** A hold depends on the answer: a third of the shortest ttl leaves time for two more tries. */
  #timeoutFor(records: readonly HoldRecord[]): number {
    let shortest = Number.POSITIVE_INFINITY;
    for (const record of records) shortest = Math.min(shortest, beliefMs(this.#backend, record.plan.ttlMs));
    return Math.max(1, Math.min(this.#calls.commandTimeoutMs, Math.ceil(shortest / 3)));
  }
}
