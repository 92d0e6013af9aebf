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

/** Carries out releases, all with one statement. */
export class ReleaseRunner {
  readonly #line: SessionLine;
  readonly #table: HoldTable;
  readonly #options: ReleaseOptions;

  constructor(line: SessionLine, table: HoldTable, options: ReleaseOptions) {
    this.#line = line;
    this.#table = table;
    this.#options = options;
  }

  /** @param tidy names for which nobody waits any more: what was announced for them goes */
  async run(operations: readonly ReleaseOperation[], tidy: readonly NameKeys[]): Promise<void> {
    const { waitList, keys, withdraw, reconcile } = this.#options;
    const compiled = compileReleases(operations, tidy, this.#table, waitList, keys);
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
        // The table knows nothing of these keys any more, so the rest of them is unlocked.
        await reconcile();
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
