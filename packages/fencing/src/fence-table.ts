import { checkName, checkValue, type LockKind, MAX_NAME_BYTES, type OptionRule, readOptions, rule } from '@holdfast/core';
import { type FencedHold, type FencedLease, holdOf, kindRule, refuseStale } from './fenced-lease.js';
import { identifierRule } from './identifier.js';
import { dialects, type FenceKey, type SqlDialect, type SqlDialectName } from './sql-dialect.js';
import { runSql, type SqlTransaction, tokenOf } from './sql-transaction.js';

/** Options of `fenceTable`. */
export interface FenceTableOptions {
  /** @default 'postgres' */
  readonly dialect?: SqlDialectName | undefined;
  /**
   * The schema (MySQL: the database) of the table.
   * @default none: where unqualified names lead
   */
  readonly schema?: string | undefined;
  /** @default 'holdfast_fences' */
  readonly table?: string | undefined;
  /**
   * Which store the tokens come from, where several are in use: tokens of two stores do not compare, so each has rows of its own. At most 512 bytes.
   * @default ''
   */
  readonly scope?: string | undefined;
}

/** Options of `reset`. */
export interface ResetOptions {
  /** @default 'lock' */
  readonly kind?: LockKind | undefined;
}

/** A table that remembers the highest token of each lock. */
export interface FenceTable {
  /** What makes the table, for a migration: may be run any number of times. */
  readonly sql: string;
  /**
   * First of all in a transaction that writes under a lease: refuses the transaction when the table has seen a later holder, else records the token. The row stays
   * locked until the transaction ends, so that holders of one name write one after another. A read hold is compared under a lock
   * that it shares with other readers, and records nothing. Equal tokens pass: a holder may write as often as it likes. Several leases (a group) are entered one after another.
   *
   * @throws StaleTokenError LOCK_STALE_TOKEN: let it roll the transaction back
   * @throws LockArgumentError LOCK_INVALID_ARGUMENT for permits and other leases without a token, and for a value that is not a transaction
   * @throws the driver's own error, for a transaction that is read-only or has failed, a table that is not there, a conflict
   */
  enter(tx: SqlTransaction, lease: FencedLease | Iterable<FencedLease>): Promise<void>;
  /**
   * Forgets the tokens of a name: for a move to another store, whose tokens do not compare with those of the last one. Call it only when the old store has no holder any more.
   *
   * @throws LockArgumentError LOCK_INVALID_ARGUMENT, and the driver's own error
   */
  reset(tx: SqlTransaction, name: string, options?: ResetOptions): Promise<void>;
}

const rules = {
  dialect: rule.oneOf('postgres', 'mysql', 'sqlite'),
  schema: identifierRule,
  table: identifierRule,
  scope: rule.text(MAX_NAME_BYTES),
} satisfies Record<keyof FenceTableOptions, OptionRule>;

class SqlFenceTable implements FenceTable {
  readonly sql: string;
  readonly #dialect: SqlDialect;
  readonly #table: string;
  readonly #scope: string;

  constructor(dialect: SqlDialect, schema: string | undefined, table: string, scope: string) {
    this.#dialect = dialect;
    this.#table = schema === undefined ? dialect.quote(table) : `${dialect.quote(schema)}.${dialect.quote(table)}`;
    this.#scope = scope;
    this.sql = dialect.create(this.#table, schema);
  }

  async enter(tx: SqlTransaction, lease: FencedLease | Iterable<FencedLease>): Promise<void> {
    checkValue('enter', 'lease', lease, rule.object);
    // All are looked at before the first is written.
    const holds = Symbol.iterator in lease ? Array.from(lease, (each) => holdOf('enter', each)) : [holdOf('enter', lease)];
    for (const hold of holds) await this.#enter(tx, hold);
  }

  async reset(tx: SqlTransaction, name: string, given?: ResetOptions): Promise<void> {
    checkName('reset', name);
    const { kind = 'lock' } = readOptions<ResetOptions>('reset', given, { kind: kindRule });
    await runSql('reset', tx, this.#dialect.reset(this.#table, { scope: this.#scope, kind, name }));
  }

  async #enter(tx: SqlTransaction, hold: FencedHold): Promise<void> {
    const { kind, name, token, isRead } = hold;
    const key: FenceKey = { scope: this.#scope, kind, name };
    const texts = isRead ? this.#dialect.compare(this.#table, key) : this.#dialect.enter(this.#table, key, token);
    let result: unknown;
    for (const text of texts) result = await runSql('enter', tx, text);
    const seen = tokenOf(result);
    if (!isRead && (seen === null || seen < token)) {
      throw new Error(`enter: ${this.#table} has not kept the token of ${JSON.stringify(name)}; is there a trigger on it, or a policy?`);
    }
    // A read hold may be the first to come.
    if (seen !== null) refuseStale(hold, seen, this.#table);
  }
}

/**
 * A fence: a table in the database that is written to, in which each transaction under a lease compares its token with those that were there
 * before. A holder that stood still, and goes on after its lease has ended, is refused. Making the fence sends nothing to the database.
 *
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT
 *
 * @example
 * ```ts
 * import { connect } from 'holdfast';
 * import { fenceTable } from 'holdfast/fencing';
 * import pg from 'pg';
 *
 * const locks = await connect('postgres://localhost:5432/shop');
 * const pool = new pg.Pool({ connectionString: 'postgres://localhost:5432/shop' });
 * const fence = fenceTable();
 * await pool.query(fence.sql); // once, in a migration
 * await locks.withLock('ledger:7', async (lease) => {
 *   const tx = await pool.connect();
 *   await tx.query('begin');
 *   await fence.enter(tx, lease); // throws LOCK_STALE_TOKEN when a later holder has been here: roll back
 *   await tx.query('commit');
 *   tx.release();
 * });
 * await pool.end();
 * await locks.close();
 * ```
 */
export function fenceTable(options?: FenceTableOptions): FenceTable {
  const {
    dialect = 'postgres',
    schema,
    table = 'holdfast_fences',
    scope = '',
  } = readOptions<FenceTableOptions>('fenceTable', options, rules);
  return new SqlFenceTable(dialects[dialect], schema, table, scope);
}
