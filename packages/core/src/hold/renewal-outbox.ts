import type { HoldRef, LockBackend, Stamp } from '../contract/backend.js';
import { type AnyLockError, LockUnavailableError } from '../errors.js';
import { isForGood } from '../calls/is-for-good.js';
import { byPartition } from '../calls/partitions.js';
import type { StoreCalls } from '../calls/store-calls.js';
import { BATCH_GAP_MS, remainingMs } from './deadline.js';
import type { Hold } from './hold.js';
import type { HoldEvent, StoreFacts } from './hold-state.js';
import { storeTtlMs } from './hold-times.js';

/** A verification must not lengthen the hold; the store never shortens one. */
const VERIFY_TTL_MS = 1;

/** Where answers go. */
export interface HoldEvents {
  dispatch(hold: Hold, event: HoldEvent, now?: Stamp): void;
  renewed(confirmed: readonly Confirmed[]): void;
}

/** A renewal that the store has confirmed, or an extension. */
export interface Confirmed {
  readonly hold: Hold;
  readonly event: Extract<HoldEvent, { type: 'renewed' }>;
  /** What was asked for. */
  readonly ttlMs: number;
}

/** What callers of `extend` wait for. Those of one turn share it. */
interface Extension {
  /** The longest that anybody asked for. */
  ttlMs: number;
  readonly done: Promise<void>;
  readonly resolve: () => void;
  readonly reject: (error: AnyLockError) => void;
}

interface Renewal {
  readonly hold: Hold;
  /** null only asks whether the hold stands. */
  readonly ttlMs: number | null;
  readonly extension: Extension | null;
}

/** Sends what keeps holds alive, many with one request: renewals and verifications as they are due, extensions at once. */
export class RenewalOutbox {
  readonly #backend: LockBackend;
  readonly #calls: StoreCalls;
  readonly #holds: HoldEvents;
  readonly #facts: StoreFacts;
  #due: Renewal[] = [];
  #extensions = new Map<Hold, Extension>();
  #lastBatchAt = Number.NEGATIVE_INFINITY;
  #isFlushPlanned = false;
  readonly #underWay = new Map<Promise<void>, readonly Renewal[]>();
  readonly #batchEntry = { dueAt: 0, heapIndex: -1, onDue: () => this.#flushDue() };

  constructor(backend: LockBackend, calls: StoreCalls, holds: HoldEvents, facts: StoreFacts) {
    this.#backend = backend;
    this.#calls = calls;
    this.#holds = holds;
    this.#facts = facts;
  }

  add(hold: Hold, ttlMs: number | null): void {
    this.#due.push({ hold, ttlMs, extension: null });
    if (hold.state.at === 'held' && !hold.state.isConfirmed) {
      // Before its holder runs, who may keep the event loop for longer than the store keeps the hold.
      if (!this.#isFlushPlanned) queueMicrotask(() => this.#flushDue());
      this.#isFlushPlanned = true;
      return;
    }
    const { timers, clock } = this.#calls;
    if (this.#batchEntry.heapIndex < 0) timers.set(this.#batchEntry, Math.max(clock.now(), this.#lastBatchAt + BATCH_GAP_MS));
  }

  extend(hold: Hold, ttlMs: number): void {
    let extension = this.#extensions.get(hold);
    if (extension === undefined) {
      extension = newExtension(ttlMs);
      this.#extensions.set(hold, extension);
      if (this.#extensions.size === 1) queueMicrotask(() => this.#flushExtensions());
    }
    extension.ttlMs = Math.max(extension.ttlMs, ttlMs);
  }

  /** Settles with the extension that this turn has asked for; at once where it did not. */
  extended(hold: Hold): Promise<void> {
    return this.#extensions.get(hold)?.done ?? Promise.resolve();
  }

  /** Resolves when nothing of the hold's is on its way: each was answered, or can have no effect any more. */
  async settled(hold: Hold): Promise<void> {
    for (;;) {
      const own = [...this.#underWay].filter(([, renewals]) => renewals.some((renewal) => renewal.hold === hold));
      if (own.length === 0) return;
      // oxlint-disable-next-line no-await-in-loop
      await Promise.all(own.map(([done]) => done));
    }
  }

  /** All that are due share a request: it has as long as the one that can wait the least. */
  #flushDue(): void {
    this.#isFlushPlanned = false;
    this.#lastBatchAt = this.#calls.clock.now();
    const due = this.#due.filter(({ hold }) => hold.state.at === 'held');
    this.#due = [];
    this.#sendAll(due, Math.min(...due.map(({ hold }) => this.#timeoutFor(hold))));
  }

  /** Callers wait for these: a short lease must not cut the others' time. */
  #flushExtensions(): void {
    const alike = new Map<number, Renewal[]>();
    for (const [hold, extension] of this.#extensions) {
      const timeoutMs = this.#timeoutFor(hold);
      const renewal = { hold, ttlMs: extension.ttlMs, extension };
      const group = alike.get(timeoutMs);
      if (group === undefined) alike.set(timeoutMs, [renewal]);
      else group.push(renewal);
    }
    this.#extensions = new Map();
    for (const [timeoutMs, group] of alike) this.#sendAll(group, timeoutMs);
  }

  #sendAll(renewals: readonly Renewal[], timeoutMs: number): void {
    for (const batch of byPartition(this.#backend, renewals, ({ hold }) => hold.plan.name)) this.#send(batch, timeoutMs);
  }

  #send(renewals: readonly Renewal[], timeoutMs: number): void {
    const stamp = this.#calls.stamp();
    const holds = renewals.map((renewal) => this.#requestOf(renewal, stamp));
    const name = renewals.length === 1 ? (renewals[0]?.hold.plan.name ?? null) : null;
    let end!: () => void;
    const done = new Promise<void>((resolve) => {
      end = resolve;
    });
    this.#underWay.set(done, renewals);
    this.#calls.start(
      'renew',
      renewals.map(({ hold }) => hold),
      name,
      timeoutMs,
      // A late answer is still an answer: it says whether the hold stands.
      async (context) => this.#answered(renewals, await this.#backend.renew(holds, context), stamp),
      {
        answered: () => {
          this.#underWay.delete(done);
          end();
        },
        failed: (error) => {
          this.#underWay.delete(done);
          this.#failed(renewals, error as AnyLockError, timeoutMs);
          end();
        },
      },
    );
  }

  #answered(renewals: readonly Renewal[], answers: readonly (boolean | null)[], stamp: Stamp): void {
    const confirmed: Confirmed[] = [];
    for (const [index, { hold, extension }] of renewals.entries()) {
      if (answers[index] !== true) continue;
      const ttlMs = extension?.ttlMs ?? hold.plan.ttlMs;
      const extensionMs = extension?.ttlMs ?? null;
      confirmed.push({ hold, ttlMs, event: { type: 'renewed', stamp, beliefMs: Math.min(ttlMs, this.#facts.sessionMs), extensionMs } });
    }
    // Before anybody hears of a loss or a failure, who may keep the event loop for a while.
    this.#holds.renewed(confirmed);
    for (const [index, { hold, extension }] of renewals.entries()) {
      const answer = answers[index];
      if (typeof answer !== 'boolean') {
        this.#failedOne(hold, extension, this.#undecided(hold));
        continue;
      }
      if (!answer) this.#holds.dispatch(hold, { type: 'gone', reason: 'taken' });
      extension?.resolve();
    }
  }

  #failed(renewals: readonly Renewal[], error: AnyLockError, timeoutMs: number): void {
    if (renewals.length > 1 && isForGood(error)) for (const renewal of renewals) this.#send([renewal], timeoutMs);
    else for (const { hold, extension } of renewals) this.#failedOne(hold, extension, error);
  }

  #failedOne(hold: Hold, extension: Extension | null, error: AnyLockError): void {
    if (extension === null) this.#holds.dispatch(hold, { type: 'renew-failed', error });
    else extension.reject(error);
  }

  #requestOf({ hold: { plan, owner, state }, ttlMs }: Renewal, now: Stamp): HoldRef & { readonly ttlMs: number; readonly restMs: number } {
    const { name, mode } = plan;
    const leftMs = state.at === 'held' ? Math.max(0, Math.ceil(remainingMs(state, now))) : 0;
    const restMs = leftMs + plan.storeTtlMs - plan.ttlMs;
    return { name, owner, mode, ttlMs: ttlMs === null ? VERIFY_TTL_MS : storeTtlMs(this.#backend, ttlMs), restMs };
  }

  /** A hold depends on the answer: a third of its ttl leaves time for two more tries. One that is not confirmed has no more than it has. */
  #timeoutFor({ plan, state }: Hold): number {
    if (state.at === 'held' && !state.isConfirmed) {
      return Math.max(1, Math.min(this.#calls.commandTimeoutMs, Math.ceil(remainingMs(state, this.#calls.stamp()))));
    }
    return Math.max(1, Math.min(this.#calls.commandTimeoutMs, Math.ceil(Math.min(plan.ttlMs, this.#facts.sessionMs) / 3)));
  }

  #undecided({ plan }: Hold): LockUnavailableError {
    return new LockUnavailableError('the store could not tell whether the hold stands', {
      backend: this.#backend.name,
      lockName: plan.name,
    });
  }
}

function newExtension(ttlMs: number): Extension {
  let resolve!: () => void;
  let reject!: (error: AnyLockError) => void;
  const done = new Promise<void>((onDone, onFailure) => {
    resolve = onDone;
    reject = onFailure;
  });
  return { ttlMs, done, resolve, reject };
}
