import type { LockBackend, ReleaseAnswer } from '../contract/backend.js';
import type { AnyLockError } from '../errors.js';
import type { EventSource } from '../events.js';
import { byPartition } from '../store/partitions.js';
import { wasOurs } from '../store/release-answer.js';
import type { StoreCalls } from '../store/store-calls.js';
import { refOf } from './hold-plan.js';
import type { HoldRecord } from './hold-record.js';
import type { Keeper } from './keeper.js';

/** What became of one release: whether the store freed it, or the error that leaves it open. */
export type ReleaseOutcome = { readonly freed: boolean } | { readonly error: AnyLockError };

/** Frees holds, each exactly once, many in one call. */
export class Releaser {
  readonly #backend: LockBackend;
  readonly #calls: StoreCalls;
  readonly #events: EventSource;
  readonly #keeper: Keeper;

  constructor(backend: LockBackend, calls: StoreCalls, events: EventSource, keeper: Keeper) {
    this.#backend = backend;
    this.#calls = calls;
    this.#events = events;
    this.#keeper = keeper;
  }

  /** One hold: what `Lease.release` does. Rejects with LockUnavailableError; the release then goes on in the background. */
  release(record: HoldRecord): Promise<boolean> {
    if (!this.#begin(record)) return Promise.resolve(false);
    const refs = [refOf(record.plan, record.owner)];
    // Sent before anything else happens, so that a waiter's request of this manager comes right behind it.
    const sent = this.#calls.start<readonly (boolean | ReleaseAnswer)[], boolean>(
      record.plan.name,
      this.#calls.commandTimeoutMs,
      (call) => this.#backend.release(refs, call),
      {
        answered: ([answer]) => {
          const freed = wasOurs(answer);
          this.#finish(record, freed);
          return freed;
        },
        failed: (error) => {
          this.#fail(record, error as AnyLockError);
        },
      },
    );
    this.#keeper.announceEnd(record);
    return sent.result;
  }

  /** Many holds, in the order given. Never rejects. */
  async releaseMany(records: readonly HoldRecord[]): Promise<ReadonlyMap<HoldRecord, ReleaseOutcome>> {
    const outcomes = new Map<HoldRecord, ReleaseOutcome>();
    const mine = records.filter((record) => this.#begin(record));
    const groups = byPartition(this.#backend, mine, (record) => record.plan.name);
    await Promise.all(
      groups.map(async (group) => {
        const refs = group.map((record) => refOf(record.plan, record.owner));
        try {
          const sent = this.#calls.run(null, (call) => this.#backend.release(refs, call));
          for (const record of group) this.#keeper.announceEnd(record);
          const answers = await sent;
          for (const [index, record] of group.entries()) {
            const freed = wasOurs(answers[index]);
            this.#finish(record, freed);
            outcomes.set(record, { freed });
          }
        } catch (error) {
          for (const record of group) {
            this.#fail(record, error as AnyLockError);
            outcomes.set(record, { error: error as AnyLockError });
          }
        }
      }),
    );
    for (const record of records) if (!outcomes.has(record)) outcomes.set(record, { freed: false });
    return outcomes;
  }

  /** false for a hold that has ended. What the deadline ended may still stand in the store: its task is done now, so free it. */
  #begin(record: HoldRecord): boolean {
    if (this.#keeper.beginRelease(record)) return true;
    if (record.lost?.reason === 'deadline') this.#keeper.undo(record);
    return false;
  }

  #finish(record: HoldRecord, freed: boolean): void {
    record.state = 'released';
    record.wasGone = !freed;
    // Where requests overtake each other, the waiter that asked behind the release was told "busy": ask again.
    this.#keeper.announceEnd(record);
    const { kind, name, label } = record.plan;
    if (!this.#events.has('released')) return;
    const heldMs = this.#keeper.heldMs(record);
    this.#events.emit({ type: 'released', kind, name, label, heldMs, freed, fencingToken: record.fencingToken });
  }

  #fail(record: HoldRecord, error: AnyLockError): void {
    record.state = 'released';
    this.#keeper.undo(record);
    const { kind, name, label } = record.plan;
    this.#events.emit({ type: 'release-failed', kind, name, label, error });
  }
}
