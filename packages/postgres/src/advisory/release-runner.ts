import type { HoldTable } from './hold-table.js';
import type { LockKeys, NameKeys } from './lock-keys.js';
import type { ReleaseOperation } from './operations.js';
import { compileReleases, type UnlockRow, unlockValues } from './release-batch.js';
import { ReplacedSessionError, reported, type SessionLine } from './session-line.js';
import { indexOf, unlock } from './statements.js';
import type { WaitList } from './wait-list.js';

export interface ReleaseOptions {
  readonly keys: LockKeys;
  readonly waitList: WaitList;
  /** Takes back the requests of these owners that were not sent yet. */
  readonly withdraw: (owners: ReadonlySet<string>) => void;
  /** Makes the server and the table agree. */
  readonly reconcile: () => Promise<void>;
}

/** The releases of a session: carries out with one statement all that were asked for, and what goes with them. */
export class ReleaseRunner {
  readonly #line: SessionLine;
  readonly #table: HoldTable;
  readonly #options: ReleaseOptions;
  #queue: ReleaseOperation[] = [];
  /** Names for which nobody waits any more: what was announced for them goes. */
  readonly #tidy = new Map<string, NameKeys>();

  constructor(line: SessionLine, table: HoldTable, options: ReleaseOptions) {
    this.#line = line;
    this.#table = table;
    this.#options = options;
  }

  /** How many wait for their turn. */
  get waiting(): number {
    return this.#queue.length;
  }

  get hasWork(): boolean {
    return this.#queue.length > 0 || this.#tidy.size > 0;
  }

  add(operation: ReleaseOperation): void {
    this.#queue.push(operation);
  }

  /** What was announced for a name goes, unless somebody still waits for the name. */
  tidyWhenLeft(keys: NameKeys): void {
    const { waitList } = this.#options;
    const { ring } = this.#table;
    const isAnnounced = ring.has(keys.announcement, 'shared') && !waitList.waits(keys);
    if (isAnnounced || (ring.has(keys.gate, 'exclusive') && !waitList.writes(keys))) this.#tidy.set(keys.id, keys);
  }

  /** The session has ended, and everything in it. */
  end(): void {
    for (const { resolve } of this.#queue.splice(0)) resolve(false);
  }

  async run(): Promise<void> {
    const { waitList, keys, withdraw, reconcile } = this.#options;
    const compiled = compileReleases(this.#queue.splice(0), [...this.#tidy.values()], this.#table, waitList, keys);
    this.#tidy.clear();
    withdraw(compiled.unknown);
    if (compiled.rows.length === 0) return compiled.settle(() => true);
    // This session's own waiters are notified at once: their requests come behind this statement.
    for (const id of compiled.wakes) waitList.wake(id);
    try {
      const freed = await this.#send(compiled.rows);
      compiled.settle((row) => freed.has(row));
    } catch (error) {
      try {
        if (this.#line.isEnded || error instanceof ReplacedSessionError) throw error;
        // The table knows nothing of these keys any more, so the rest of them is unlocked; and no notification of a failed statement is sent.
        await reconcile();
        await this.#send(compiled.rows.filter(({ waiters }) => waiters !== null).map((row) => ({ ...row, mode: 'n', key: null })));
        compiled.settle(() => true);
      } catch (failure) {
        compiled.reject(reported(failure));
        throw failure;
      }
    }
  }

  async #send(rows: readonly UnlockRow[]): Promise<ReadonlySet<number>> {
    const answers = await this.#line.send(unlock, unlockValues(rows));
    for (const row of answers) this.#line.checkProcess(row[2]);
    return new Set(answers.filter((row) => row[1] === '1').map(indexOf));
  }
}
