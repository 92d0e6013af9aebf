import type { Clock } from '@holdfast/core';
import type { Row } from '../connection.js';
import { unavailableBecause } from '../postgres-error.js';
import { guardMs } from '@holdfast/core/backend';
import type { Hold, HoldTable } from './hold-table.js';
import { MAX_SLOTS } from './lock-keys.js';
import { type AttemptOperation, BUSY_ANSWER } from './operations.js';
import { MAX_TRIED, slotsToTry } from './slots.js';
import { PendingCommit } from './pending-commit.js';
import { arrayOf, GATE_TAKEN, NO_GATE, NOT_ANNOUNCED, UNCOMMITTED } from './statements.js';
import type { WaitList } from './wait-list.js';

/** So many requests share a statement: a release that comes meanwhile waits no longer than that. */
const MAX_BATCH = 256;
/** Of the time that is left: so that the one who asked hears what was missing. */
const COMMIT_SHARE = 0.9;
/** An announcement or a gate that somebody has for a moment is asked for again so often. */
const MAX_TRIES = 5;

interface Asked {
  readonly operation: AttemptOperation;
  readonly announcement: bigint | null;
  readonly slots: readonly number[];
}

/** What a batch needs of its session. */
export interface BatchParts {
  readonly clock: Clock;
  /** Resolves when the standbys have confirmed every token drawn so far. */
  commit(timeoutMs: number): Promise<void>;
  /** The token of a hold could not be committed: the hold goes. */
  uncommitted(hold: Hold): void;
}

/**
 * The requests of one statement for locks and one for permits. What this session's own holds answer is answered without
 * asking: the server would grant it. Two requests for one name never share a statement, for the same reason.
 */
export class AttemptBatch {
  readonly locks: Asked[] = [];
  readonly permits: Asked[] = [];
  /** Left for the next statement. */
  readonly kept: AttemptOperation[] = [];
  /** Channels that must be listened on first. */
  readonly buckets = new Set<number>();
  readonly #table: HoldTable;
  readonly #waitList: WaitList;
  readonly #parts: BatchParts;

  constructor(queue: readonly AttemptOperation[], table: HoldTable, waitList: WaitList, listening: ReadonlySet<number>, parts: BatchParts) {
    this.#table = table;
    this.#waitList = waitList;
    this.#parts = parts;
    const claimed = new Set<string>();
    const claimedKeys = new Set<bigint>();
    for (const operation of queue) {
      const { keys } = operation;
      if (this.locks.length + this.permits.length >= MAX_BATCH || claimed.has(keys.id) || claimedKeys.has(keys.main)) {
        this.kept.push(operation);
        continue;
      }
      if (this.#answerHere(operation)) continue;
      claimed.add(keys.id);
      claimedKeys.add(keys.main);
      if (waitList.waits(keys) && !listening.has(keys.bucket)) this.buckets.add(keys.bucket);
      this.#ask(operation);
    }
  }

  get operations(): readonly AttemptOperation[] {
    return [...this.locks, ...this.permits].map(({ operation }) => operation);
  }

  lockValues(): readonly string[] {
    const rows = this.locks.map((asked) => this.#lockRow(asked));
    const column = (index: number): string => arrayOf(rows.map((row) => row[index] ?? null));
    return [column(0), column(1), column(2), column(3), column(4)];
  }

  permitValues(): readonly string[] {
    return [
      arrayOf(this.permits.map(({ operation }) => operation.keys.main)),
      arrayOf(this.permits.map(({ operation }) => permitsOf(operation))),
      `{${this.permits.map(({ slots }) => `"${arrayOf(slots)}"`).join(',')}}`,
      arrayOf(this.permits.map(({ announcement }) => announcement)),
    ];
  }

  /** Reads the answer to a request for a lock; true when it is to be asked again at once. */
  readLock({ operation, announcement }: Asked, row: Row): boolean {
    const { keys, request } = operation;
    const result = row[1] ?? null;
    if (result === null) throw unavailableBecause('the server answered nonsense');
    const code = Number(result);
    if (code === NOT_ANNOUNCED) return this.#again(operation);
    const { ring } = this.#table;
    if (announcement !== null) ring.add(announcement, 'shared');
    if (code > 0) {
      this.#grant(operation, BigInt(result), [], row[3] !== UNCOMMITTED);
      return false;
    }
    if (code === GATE_TAKEN) ring.add(keys.gate, 'exclusive');
    if (code === NO_GATE && this.#waitList.writes(keys) && request.mode === 'write') return this.#again(operation);
    operation.resolve(BUSY_ANSWER);
    return false;
  }

  /** Reads the answer to a request for permits: asked again at once, or what else is to be done. */
  readPermits({ operation, announcement, slots }: Asked, row: Row): 'done' | 'again' | 'look' | 'told' {
    const result = row[1] ?? null;
    if (result === null) throw unavailableBecause('the server answered nonsense');
    if (result === 'not announced') return this.#again(operation) ? 'again' : 'done';
    if (announcement !== null) this.#table.ring.add(announcement, 'shared');
    if (result !== 'busy' && result !== 'tried') {
      this.#grant(operation, 0n, result.split(',').map(Number), true);
      return 'done';
    }
    if (slots.length + this.#table.slotsOf(operation.keys).size < limitOf(operation) && operation.tries === 0) return 'look';
    operation.resolve(BUSY_ANSWER);
    return result === 'tried' ? 'told' : 'done';
  }

  /** What the hold's own session can say of it without the server; true when that settles it. */
  #answerHere(operation: AttemptOperation): boolean {
    const { request, keys, signal } = operation;
    const hold = this.#table.get(request.owner);
    if (hold !== undefined) {
      answer(operation, hold);
      return true;
    }
    if (signal.aborted) {
      operation.reject(unavailableBecause('the request was given up before it was sent', { lockName: request.name }));
      return true;
    }
    const { ring } = this.#table;
    const isBusy = this.#table.isBusy(request, keys) || (request.mode === 'read' && ring.has(keys.gate, 'exclusive'));
    if (!isBusy || this.#needsGate(operation)) return false;
    operation.resolve(BUSY_ANSWER);
    return true;
  }

  #ask(operation: AttemptOperation): void {
    const { keys, request } = operation;
    const isWaiting = this.#waitList.waits(keys) && operation.tries < MAX_TRIES;
    const announcement = isWaiting && !this.#table.ring.has(keys.announcement, 'shared') ? keys.announcement : null;
    if (request.mode === 'permits') {
      const slots = slotsToTry(limitOf(operation), this.#table.slotsOf(keys), operation.taken, Math.max(MAX_TRIED, request.permits + 64));
      this.permits.push({ operation, announcement, slots });
    } else {
      this.locks.push({ operation, announcement, slots: [] });
    }
  }

  #lockRow({ operation, announcement }: Asked): readonly (string | bigint | null)[] {
    const { request, keys } = operation;
    const main = this.#table.needsMainKey(request, keys) ? keys.main : null;
    if (request.mode === 'read') return ['r', main, keys.gate, this.#table.readerCounter(keys), announcement];
    const gate = this.#needsGate(operation) ? keys.gate : null;
    if (gate !== null && this.#table.isBusy(request, keys)) return ['g', null, gate, null, announcement];
    return ['x', main, gate, null, announcement];
  }

  /** A writer that waits has the gate, so that no reader comes in before it. */
  #needsGate({ request, keys }: AttemptOperation): boolean {
    return request.mode === 'write' && this.#waitList.writes(keys) && !this.#table.ring.has(keys.gate, 'exclusive');
  }

  #grant(operation: AttemptOperation, fencingToken: bigint, slots: readonly number[], isCommitted: boolean): void {
    const { request, keys, deadline } = operation;
    const { name, owner, mode, label, ttlMs } = request;
    const grantedAt = this.#parts.clock.now();
    const until = grantedAt + ttlMs + guardMs(ttlMs);
    const commit = isCommitted ? null : new PendingCommit(this.#parts.commit(COMMIT_SHARE * (deadline - this.#parts.clock.now())));
    const hold: Hold = { ref: { name, owner, mode }, keys, label, fencingToken, slots, grantedAt, until, commit };
    this.#table.add(hold);
    answer(operation, hold);
    commit?.done.catch(() => this.#parts.uncommitted(hold));
  }

  #again(operation: AttemptOperation): boolean {
    operation.tries += 1;
    if (operation.tries < MAX_TRIES) return true;
    operation.resolve(BUSY_ANSWER);
    return false;
  }
}

/** Nobody is notified of a hold before its token is sure not to come again. */
function answer({ resolve, reject }: AttemptOperation, { fencingToken, commit }: Hold): void {
  if (commit === null) resolve({ granted: true, fencingToken });
  else commit.done.then(() => resolve({ granted: true, fencingToken }), reject);
}

export function limitOf({ request }: AttemptOperation): number {
  return request.mode === 'permits' ? Math.min(request.limit, MAX_SLOTS) : 1;
}

function permitsOf({ request }: AttemptOperation): number {
  return request.mode === 'permits' ? request.permits : 1;
}
