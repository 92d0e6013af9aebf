import type { Statement } from '../connection.js';
import { AttemptBatch, type BatchParts, limitOf } from './attempt-batch.js';
import type { HoldTable } from './hold-table.js';
import type { LockKeys, NameKeys } from './lock-keys.js';
import type { AttemptOperation, ReleaseOperation } from './operations.js';
import { type UnlockRow, unlockValues } from './release-batch.js';
import type { SessionLine } from './session-line.js';
import type { SessionSettings } from './session-settings.js';
import { findHolders, indexOf, takeLocks, takePermits, unlock } from './statements.js';
import type { WaitList } from './wait-list.js';

export interface AttemptOptions {
  readonly keys: LockKeys;
  readonly sequence: string;
  readonly waitList: WaitList;
  readonly settings: SessionSettings;
  readonly parts: BatchParts;
}

/** Carries out attempts, as many as fit into a statement, and listens where they are to wait. */
export class AttemptRunner {
  readonly #line: SessionLine;
  readonly #table: HoldTable;
  readonly #options: AttemptOptions;
  readonly #takeLocks: Statement;
  readonly #listening = new Set<number>();

  constructor(line: SessionLine, table: HoldTable, options: AttemptOptions) {
    this.#line = line;
    this.#table = table;
    this.#options = options;
    this.#takeLocks = takeLocks(options.sequence);
  }

  /** Takes what goes into the next statement out of the queue, and answers what needs no statement. */
  next(queue: readonly AttemptOperation[], handOvers: ReadonlyMap<AttemptOperation, ReleaseOperation>): AttemptBatch {
    return new AttemptBatch(queue, handOvers, this.#table, this.#options.waitList, this.#listening, this.#options.parts);
  }

  /** @returns those that are to be asked again at once */
  async run(batch: AttemptBatch): Promise<readonly AttemptOperation[]> {
    const again: AttemptOperation[] = [];
    // First listen, then announce, then try: so no release falls in between.
    if (batch.buckets.size > 0) await this.#listen(batch.buckets);
    if (batch.locks.length > 0) await this.#locks(batch, again);
    if (batch.permits.length > 0) await this.#permits(batch, again);
    return again;
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
