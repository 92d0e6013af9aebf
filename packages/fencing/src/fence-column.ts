import { LockArgumentError, type OptionRule, readOptions, rule, StaleTokenError } from '@holdfast/core';
import { type FencedLease, holdOf, writeHoldOf } from './fenced-lease.js';
import { identifierRule } from './identifier.js';
import { dialects, type SqlDialectName } from './sql-dialect.js';

/** Options of `fenceColumn`. */
export interface FenceColumnOptions {
  /** @default 'postgres' */
  readonly dialect?: SqlDialectName | undefined;
  /** @default 'fencing_token' */
  readonly column?: string | undefined;
  /**
   * The table's name or alias in the statement, where a column alone would not be clear. Not part of what `set` gives.
   * @default none
   */
  readonly table?: string | undefined;
}

/** A table that carries the token of its last writer in a column of each row. */
export interface FenceColumn {
  /** What the column is, for `alter table ... add column`. */
  readonly sql: string;
  /**
   * For the `where` of a write: no later holder has written this row. The token stands in it as digits, so it needs no parameter.
   *
   * @throws LockArgumentError LOCK_INVALID_ARGUMENT for a lease without a token
   */
  condition(lease: FencedLease): string;
  /** For the `set` of an update. @throws LockArgumentError LOCK_INVALID_ARGUMENT for a lease without a token, and for a read hold, which must not write */
  set(lease: FencedLease): string;
  /**
   * For an update that changed no row though there is one: looks at the token that was read from the row.
   *
   * @throws StaleTokenError LOCK_STALE_TOKEN when it is a later holder's
   */
  check(lease: FencedLease, seenToken: bigint | number | string | null): void;
}

const rules = {
  dialect: rule.oneOf('postgres', 'mysql', 'sqlite'),
  column: identifierRule,
  table: identifierRule,
} satisfies Record<keyof FenceColumnOptions, OptionRule>;

/**
 * The condition and the assignment for tables that carry the token themselves: one statement writes and compares, without a transaction.
 *
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT
 *
 * @example
 * ```ts
 * import { fenceColumn } from 'holdfast/fencing';
 * import { createMemoryLockManager } from 'holdfast/memory';
 *
 * const fence = fenceColumn();
 * console.log(`alter table account add column ${fence.sql}`); // once, in a migration
 * const locks = createMemoryLockManager();
 * await locks.withLock('account:7', (lease) => {
 *   // No row changed, though there is one: a later holder has written it.
 *   console.log(`update account set balance = 90, ${fence.set(lease)} where id = 7 and ${fence.condition(lease)}`);
 * });
 * await locks.close();
 * ```
 */
export function fenceColumn(options?: FenceColumnOptions): FenceColumn {
  const { dialect = 'postgres', column = 'fencing_token', table } = readOptions<FenceColumnOptions>('fenceColumn', options, rules);
  const { quote } = dialects[dialect];
  const plain = quote(column);
  const qualified = table === undefined ? plain : `${quote(table)}.${plain}`;
  return {
    sql: `${plain} bigint`,
    condition: (lease) => `(${qualified} is null or ${qualified} <= ${holdOf('condition', lease).token})`,
    set: (lease) => `${plain} = ${writeHoldOf('set', lease).token}`,
    check(lease, seenToken) {
      const { name, token } = holdOf('check', lease);
      if (seenToken === null) return;
      const seen = integerOf(seenToken);
      if (seen <= token) return;
      throw new StaleTokenError(
        `${JSON.stringify(name)}: the row has the token ${seen}, and this lease's is ${token}: the lock has had a later holder, so nothing was written`,
        { lockName: name, fencingToken: token, seenToken: seen },
      );
    },
  };
}

/** A driver gives a bigint as it likes; a number above 2^53 has lost digits. */
function integerOf(seen: bigint | number | string): bigint {
  const isWhole = typeof seen === 'bigint' || (typeof seen === 'number' ? Number.isSafeInteger(seen) : /^-?\d+$/.test(seen));
  if (isWhole) return BigInt(seen);
  throw new LockArgumentError(
    `check: seenToken is ${JSON.stringify(String(seen).slice(0, 60))}; it must be a bigint, a string of digits, or a number below 2^53`,
    { option: 'seenToken' },
  );
}
