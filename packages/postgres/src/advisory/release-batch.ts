import type { HoldTable } from './hold-table.js';
import type { LockKeys, NameKeys } from './lock-keys.js';
import type { ReleaseOperation } from './operations.js';
import { arrayOf } from './statements.js';
import type { WaitList } from './wait-list.js';

/** One unlock: of an exclusive or a shared key, or of nothing (n); and whose waiters are to be notified behind it. */
export interface UnlockRow {
  readonly mode: 'x' | 's' | 'n';
  readonly key: bigint | null;
  readonly waiters: NameKeys | null;
  readonly channel: string;
}

/** What a number of releases comes to. */
export interface CompiledReleases {
  readonly rows: readonly UnlockRow[];
  /** Names whose waiters in this process may ask. */
  readonly wakes: ReadonlySet<string>;
  /** Owners of whom this session holds nothing. */
  readonly unknown: ReadonlySet<string>;
  /** Answers the releases: `freed` says of each row whether the server had it. */
  settle(freed: (row: number) => boolean): void;
  reject(error: unknown): void;
}

/** Takes the holds out of the table: from here on they are gone, whatever becomes of the statement. */
export function compileReleases(
  operations: readonly ReleaseOperation[],
  tidy: readonly NameKeys[],
  table: HoldTable,
  waitList: WaitList,
  lockKeys: LockKeys,
): CompiledReleases {
  const rows: UnlockRow[] = [];
  const wakes = new Set<string>();
  const unknown = new Set<string>();
  const settlers: [operation: ReleaseOperation, rows: readonly number[] | null][] = [];
  for (const operation of operations) {
    const hold = table.get(operation.ref.owner);
    if (hold === undefined || hold.ref.name !== operation.ref.name) {
      unknown.add(operation.ref.owner);
      settlers.push([operation, null]);
      continue;
    }
    const { keys } = hold;
    const unlocks = table.remove(hold);
    const own: number[] = [];
    for (const [index, { key, mode }] of unlocks.entries()) {
      const isLast = index === unlocks.length - 1;
      // A key that only counts a reader stands in nobody's way.
      const waiters = isLast && (mode === 'exclusive' || key === keys.main) ? keys : null;
      own.push(rows.length);
      rows.push({ mode: mode === 'exclusive' ? 'x' : 's', key, waiters, channel: lockKeys.channel(keys.bucket) });
    }
    wakes.add(keys.id);
    settlers.push([operation, own]);
  }
  for (const keys of tidy) {
    const { ring } = table;
    const channel = lockKeys.channel(keys.bucket);
    if (ring.has(keys.gate, 'exclusive') && !waitList.writes(keys)) {
      ring.remove(keys.gate, 'exclusive');
      // Readers that were kept out may come in, unless the writer got what it waited for.
      const isWritten = table.holdsOf(keys).some(({ ref }) => ref.mode === 'write');
      rows.push({ mode: 'x', key: keys.gate, waiters: isWritten ? null : keys, channel });
      if (!isWritten) wakes.add(keys.id);
    }
    if (ring.has(keys.announcement, 'shared') && !waitList.waits(keys)) {
      ring.remove(keys.announcement, 'shared');
      rows.push({ mode: 's', key: keys.announcement, waiters: null, channel });
    }
  }
  return {
    rows,
    wakes,
    unknown,
    settle: (freed) => {
      for (const [operation, own] of settlers) operation.resolve(own?.every(freed) ?? false);
    },
    reject: (error) => {
      for (const [operation] of settlers) operation.reject(error);
    },
  };
}

export function unlockValues(rows: readonly UnlockRow[]): readonly string[] {
  return [
    arrayOf(rows.map(({ mode }) => mode)),
    arrayOf(rows.map(({ key }) => key)),
    arrayOf(rows.map(({ waiters }) => waiters?.announcement ?? null)),
    arrayOf(rows.map(({ channel, waiters }) => (waiters === null ? null : channel))),
    arrayOf(rows.map(({ waiters }) => waiters?.id ?? null)),
  ];
}
