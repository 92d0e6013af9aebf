import type { Clock } from '@holdfast/core';
import type { HoldTable } from './hold-table.js';
import type { LockKeys, NameKeys } from './lock-keys.js';
import type { ReleaseOperation } from './operations.js';
import { compileReleases, type UnlockRow, unlockValues } from './release-batch.js';
import { ReplacedSessionError, reported, type SessionLine } from './session-line.js';
import { indexOf, unlock } from './statements.js';
import type { WaitList } from './wait-list.js';

/** An announcement that nobody needs any more goes with the next release, or so much later. */
const TIDY_MS = 50;

export interface ReleaseOptions {
  readonly clock: Clock;
  readonly keys: LockKeys;
  readonly waitList: WaitList;
  /** Takes back the requests of these owners that were not sent yet. */
  readonly withdraw: (owners: ReadonlySet<string>) => void;
  /** Makes the server and the table agree. */
  readonly reconcile: () => Promise<void>;
  /** There is work that nobody has asked for. */
  readonly onWork: () => void;
}

/** The releases of a session: carries out with one statement all that were asked for, and what goes with them. */
export class ReleaseRunner {
  readonly #line: SessionLine;
  readonly #table: HoldTable;
  readonly #options: ReleaseOptions;
  #queue: ReleaseOperation[] = [];
  /** Names for which nobody waits any more: what was announced for them goes. */
  readonly #tidy = new Map<string, NameKeys>();
  /** Names whose announcement nobody needs at present. */
  readonly #leftover = new Map<string, NameKeys>();
  #leftoverTimer: { cancel(): void } | null = null;

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
    return this.hasMoreThan(0);
  }

  /** Those that wait for their turn. */
  get queue(): readonly ReleaseOperation[] {
    return this.#queue;
  }

  /** Whether there is work when so many releases have been done. */
  hasMoreThan(releases: number): boolean {
    return this.#queue.length > releases || this.#tidy.size > 0;
  }

  /** Whether one waits for a hold on this name. */
  isFor({ id }: NameKeys): boolean {
    return this.#queue.some(({ ref }) => this.#table.get(ref.owner)?.keys.id === id);
  }

  /** The names of the holds for which one waits. */
  names(): ReadonlySet<string | undefined> {
    return new Set(this.#queue.map(({ ref }) => this.#table.get(ref.owner)?.keys.id));
  }

  /** They are carried out with something else. */
  drop(releases: readonly ReleaseOperation[]): void {
    this.#queue = this.#queue.filter((operation) => !releases.includes(operation));
  }

  add(operation: ReleaseOperation): void {
    this.#queue.push(operation);
  }

  /** What was announced for a name goes, unless somebody still waits for the name. */
  tidyWhenLeft(keys: NameKeys): void {
    const { waitList } = this.#options;
    const { ring } = this.#table;
    if (ring.has(keys.gate, 'exclusive') && !waitList.writes(keys)) this.#tidy.set(keys.id, keys);
    else if (ring.has(keys.announcement, 'shared') && !waitList.waits(keys)) this.#tidyLater(keys);
  }

  /** The session has ended, and everything in it. */
  end(): void {
    this.#leftoverTimer?.cancel();
    for (const { resolve } of this.#queue.splice(0)) resolve(false);
  }

  async run(): Promise<void> {
    const { waitList, keys, withdraw, reconcile } = this.#options;
    const tidy = [...new Map([...this.#tidy, ...this.#leftover]).values()];
    const compiled = compileReleases(this.#queue.splice(0), tidy, this.#table, waitList, keys);
    this.#tidy.clear();
    this.#leftover.clear();
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

  /** The next waiter of this name mostly needs the announcement again, and the announcement costs the others no more than a notification. */
  #tidyLater(keys: NameKeys): void {
    this.#leftover.set(keys.id, keys);
    this.#leftoverTimer ??= this.#options.clock.setTimer(TIDY_MS, () => {
      this.#leftoverTimer = null;
      for (const [id, left] of this.#leftover) this.#tidy.set(id, left);
      this.#leftover.clear();
      if (this.hasWork) this.#options.onWork();
    });
  }

  async #send(rows: readonly UnlockRow[]): Promise<ReadonlySet<number>> {
    const answers = await this.#line.send(unlock, unlockValues(rows));
    for (const row of answers) this.#line.checkProcess(row[2]);
    return new Set(answers.filter((row) => row[1] === '1').map(indexOf));
  }
}
