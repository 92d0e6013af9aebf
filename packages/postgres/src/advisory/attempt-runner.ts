import { type HoldRequest, isLockError } from '@holdfast/core';
import type { Statement } from '../connection.js';
import { unavailableBecause } from '../postgres-error.js';
import { AttemptBatch, type BatchParts, limitOf } from './attempt-batch.js';
import type { HoldTable } from './hold-table.js';
import type { LockKeys, NameKeys } from './lock-keys.js';
import type { AttemptOperation } from './operations.js';
import { type UnlockRow, unlockValues } from './release-batch.js';
import { ReplacedSessionError, reported, type SessionLine } from './session-line.js';
import type { SessionSettings } from './session-settings.js';
import { findHolders, indexOf, takeLocks, takePermits, unlock } from './statements.js';
import type { WaitList } from './wait-list.js';

export interface AttemptOptions {
  readonly keys: LockKeys;
  readonly sequence: string;
  readonly waitList: WaitList;
  readonly settings: SessionSettings;
  readonly parts: BatchParts;
  /** The server refused a request. */
  readonly onRefusal: (error: unknown) => void;
  /** Makes the server and the table agree. */
  readonly reconcile: () => Promise<void>;
  /** A request for the name has been answered: who left meanwhile has left behind what the request took for it. */
  readonly onAnswered: (keys: NameKeys) => void;
}

/** The attempts of a session: carries them out, as many as fit into a statement, and listens where they are to wait. */
export class AttemptRunner {
  readonly #line: SessionLine;
  readonly #table: HoldTable;
  readonly #options: AttemptOptions;
  readonly #takeLocks: Statement;
  readonly #listening = new Set<number>();
  #queue: AttemptOperation[] = [];
  #underWay: readonly AttemptOperation[] = [];

  constructor(line: SessionLine, table: HoldTable, options: AttemptOptions) {
    this.#line = line;
    this.#table = table;
    this.#options = options;
    this.#takeLocks = takeLocks(options.sequence);
  }

  /** How many wait for their turn. */
  get waiting(): number {
    return this.#queue.length;
  }

  /** All that have not been answered. */
  get open(): readonly AttemptOperation[] {
    return [...this.#queue, ...this.#underWay];
  }

  add(operation: AttemptOperation): void {
    this.#queue.push(operation);
  }

  /** Whether something of this kind is asked for, and has not been answered. */
  asks(fits: (request: HoldRequest) => boolean): boolean {
    const isAsked = ({ request }: AttemptOperation): boolean => fits(request);
    return this.#queue.some(isAsked) || this.#underWay.some(isAsked);
  }

  /** A release of what has not been asked for yet takes the request back. */
  withdraw(owners: ReadonlySet<string>): void {
    if (owners.size === 0) return;
    this.#queue = this.#queue.filter((operation) => {
      if (!owners.has(operation.request.owner)) return true;
      operation.reject(unavailableBecause('the request was released before it was sent', { lockName: operation.request.name }));
      return false;
    });
  }

  /** The session has ended. */
  end(error: Error): void {
    for (const operation of this.open) operation.reject(error);
    this.#queue = [];
  }

  /** Asks for as many as go into one statement, and answers what needs no statement. */
  async run(): Promise<void> {
    const { waitList, parts, onRefusal, onAnswered } = this.#options;
    const batch = new AttemptBatch(this.#queue, this.#table, waitList, this.#listening, parts);
    this.#queue = [...batch.kept];
    this.#underWay = batch.operations;
    const again: AttemptOperation[] = [];
    try {
      // First listen, then announce, then try: so no release falls in between.
      if (batch.buckets.size > 0) await this.#listen(batch.buckets);
      if (batch.locks.length > 0) await this.#locks(batch, again);
      if (batch.permits.length > 0) await this.#permits(batch, again);
      this.#queue.unshift(...again);
    } catch (error) {
      onRefusal(error);
      for (const operation of batch.operations) operation.reject(reported(error));
      await this.#undo(batch, error);
      return;
    } finally {
      this.#underWay = [];
    }
    for (const { keys } of batch.operations) onAnswered(keys);
  }

  /** Of a statement that failed midway: gives back what it took, and notifies those who were answered "busy" for that. @throws the error of any other failure */
  async #undo({ operations }: AttemptBatch, error: unknown): Promise<void> {
    // What we have found out ourselves is not a statement that failed midway.
    if (this.#line.isEnded || error instanceof ReplacedSessionError || isLockError(error)) throw error;
    await this.#options.reconcile();
    await this.#line.send(unlock, unlockValues(operations.map(({ keys }) => this.#tell(keys))));
  }

  async #listen(buckets: ReadonlySet<number>): Promise<void> {
    const { keys, settings } = this.#options;
    await settings.listen(
      Array.from(buckets, (bucket) => keys.channel(bucket)),
      (statement) => this.#line.send(statement),
    );
    for (const bucket of buckets) this.#listening.add(bucket);
  }

  async #locks(batch: AttemptBatch, again: AttemptOperation[]): Promise<void> {
    const rows = await this.#line.send(this.#takeLocks, batch.lockValues());
    for (const row of rows) this.#line.checkProcess(row[2]);
    for (const row of rows) {
      const asked = batch.locks[indexOf(row)];
      if (asked !== undefined && batch.readLock(asked, row)) again.push(asked.operation);
    }
  }

  async #permits(batch: AttemptBatch, again: AttemptOperation[]): Promise<void> {
    const rows = await this.#line.send(takePermits, batch.permitValues());
    for (const row of rows) this.#line.checkProcess(row[2]);
    const told: UnlockRow[] = [];
    for (const row of rows) {
      const asked = batch.permits[indexOf(row)];
      if (asked === undefined) continue;
      const { operation } = asked;
      const next = batch.readPermits(asked, row);
      if (next === 'look') await this.#look(operation);
      if (next === 'look' || next === 'again') again.push(operation);
      // It had some for a moment, and somebody may have been answered "busy" for that.
      if (next === 'told') told.push(this.#tell(operation.keys));
    }
    if (told.length > 0) await this.#line.send(unlock, unlockValues(told));
  }

  /** Too many slots to try them all: asks which are taken. */
  async #look(operation: AttemptOperation): Promise<void> {
    const { keys } = operation;
    const range = [keys.main, keys.main + BigInt(limitOf(operation) - 1), 1n, 0n, keys.main].map(String);
    const rows = await this.#line.send(findHolders, range);
    operation.taken = new Set(rows.map((row) => Number(BigInt(row[1] ?? 0) - keys.main)));
    operation.tries += 1;
  }

  #tell(keys: NameKeys): UnlockRow {
    return { mode: 'n', key: null, waiters: keys, channel: this.#options.keys.channel(keys.bucket) };
  }
}
