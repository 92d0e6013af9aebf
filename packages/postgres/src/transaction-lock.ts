import {
  checkName,
  checkValue,
  LockArgumentError,
  LockTimeoutError,
  type OptionRule,
  readOptions,
  rule,
  systemClock,
} from '@holdfast/core';
import { LockKeys, type NameKeys } from './advisory/lock-keys.js';
import { BACKEND, sqlState, unavailable } from './postgres-error.js';
import { postgresBackendRules } from './postgres-options.js';

/**
 * The connection on which the transaction was begun: a client of `pg`, or whatever else has `query(text)`; or what `sql.begin` of postgres.js hands
 * over. Each call must be sent as it is, without values, in that transaction.
 */
export type TransactionClient = { query(text: string): PromiseLike<unknown> } | PostgresJsTransaction;

/** What `sql.begin` of postgres.js hands over, as far as it is used. */
export interface PostgresJsTransaction {
  readonly unsafe: (text: string) => PromiseLike<unknown>;
  readonly savepoint: <T>(name: string, body: (inner: Pick<PostgresJsTransaction, 'unsafe'>) => Promise<T>) => PromiseLike<T>;
}

/** Options of `withTransactionLock`. */
export interface TransactionLockOptions {
  /** That of the lock manager with whose `withLock` it is to exclude. @default '' */
  readonly namespace?: string | undefined;
  /** That of the lock manager; see `PostgresBackendOptions`. @default none */
  readonly keyOf?: ((name: string) => bigint | undefined) | undefined;
  /**
   * How long to wait, in milliseconds; 0 is one attempt.
   * @default Infinity
   */
  readonly waitMs?: number | undefined;
}

const rules = {
  namespace: postgresBackendRules.namespace,
  keyOf: postgresBackendRules.keyOf,
  waitMs: rule.duration({ infinity: true }),
} satisfies Record<keyof TransactionLockOptions, OptionRule>;

/** Ours, within a transaction that is somebody else's. */
const SAVEPOINT = 'holdfast_lock';
const WHERE = 'withTransactionLock';

type Run = (text: string) => Promise<unknown>;

/** The caller's transaction. */
interface Transaction {
  readonly run: Run;
  /** Runs statements under a savepoint, to which the transaction goes back when one fails. */
  readonly within: <T>(body: (run: Run) => Promise<T>) => Promise<T>;
}

/**
 * Runs `task` under a lock that goes with the caller's own transaction: `pg_advisory_xact_lock` on the same key as the advisory locks of `createPostgresLockManager`, so that
 * it and their `withLock` exclude each other. The lock is free when the transaction has committed or rolled back, not before; what the task has written is visible then.
 * Works through a pooler of transactions.
 *
 * There is no ttl, no signal and no fencing token: the transaction's end is the lock's. One session that asks twice is granted twice. A `withLock` of the same name around it is not
 * noticed: it waits for itself until `waitMs` is over.
 *
 * @throws LockTimeoutError LOCK_TIMEOUT when `waitMs` ran out; the transaction can be used further
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT for a bad argument, and where no transaction was begun or it has failed
 * @throws LockUnavailableError LOCK_BACKEND_UNAVAILABLE when the server refuses, or the connection ends
 * @throws what the task throws
 */
export function withTransactionLock<T>(client: TransactionClient, name: string, task: () => T | PromiseLike<T>): Promise<T>;
/** The same with options. */
export function withTransactionLock<T>(
  client: TransactionClient,
  name: string,
  options: TransactionLockOptions,
  task: () => T | PromiseLike<T>,
): Promise<T>;
export async function withTransactionLock<T>(
  client: TransactionClient,
  name: string,
  ...args: readonly [() => T | PromiseLike<T>] | readonly [TransactionLockOptions, () => T | PromiseLike<T>]
): Promise<T> {
  const [given, task] = args.length === 1 ? [undefined, args[0]] : args;
  const transaction = transactionOf(client);
  checkName(WHERE, name);
  const {
    namespace = '',
    keyOf = () => undefined,
    waitMs = Number.POSITIVE_INFINITY,
  } = readOptions<TransactionLockOptions>(WHERE, given, rules);
  checkValue(WHERE, 'task', task, rule.function);
  const lockKeys = new LockKeys(namespace, keyOf);
  const keys = lockKeys.of('lock', name);
  const startedAt = systemClock.now();
  if (!(await take(transaction, keys, waitMs))) {
    const waitedMs = Math.round(systemClock.now() - startedAt);
    const text = `${JSON.stringify(name)} was not free${waitMs === 0 ? '' : ` within ${waitMs} ms`}`;
    throw new LockTimeoutError(text, { lockName: name, backend: BACKEND, waitedMs });
  }
  try {
    return await task();
  } finally {
    // In a transaction that has failed nothing can be said, and nothing needs to: those who wait look by themselves within 2 s.
    await transaction.run(notifyWaiters(lockKeys.channel(keys.bucket), keys)).catch(() => {});
  }
}

/** Answers whether it was taken. The transaction is as it was, also after a failure. */
async function take({ within }: Transaction, keys: NameKeys, waitMs: number): Promise<boolean> {
  try {
    return await within(async (run) => {
      if (waitMs === 0) {
        return valueOf(await run(`SELECT pg_catalog.pg_try_advisory_xact_lock(${keys.main})::pg_catalog.text AS value`)) === 'true';
      }
      await waitFor(run, keys, waitMs);
      return true;
    });
  } catch (error) {
    if (waitMs > 0 && sqlState(error) === LOCK_NOT_AVAILABLE) return false;
    throw outside(error) ?? unavailable(error, keys.name);
  }
}

/** What a `lock_timeout` ends a statement with. */
const LOCK_NOT_AVAILABLE = '55P03';

/** Waits in the server's own line, under a `lock_timeout` that is ours; the caller's is back when it ends. */
async function waitFor(run: Run, keys: NameKeys, waitMs: number): Promise<void> {
  const before = valueOf(await run(`SELECT pg_catalog.current_setting('lock_timeout') AS value`));
  if (before === null || !/^\w+$/.test(before)) throw new Error('the client does not answer what a statement has selected');
  await run(
    [
      `SET LOCAL lock_timeout = ${waitMs === Number.POSITIVE_INFINITY ? 0 : waitMs}`,
      `SELECT pg_catalog.pg_advisory_xact_lock(${keys.main})`,
      `SET LOCAL lock_timeout = '${before}'`,
    ].join('; '),
  );
}

/** Those who have announced that they wait are woken by the transaction's commit. */
function notifyWaiters(channel: string, { announcement, id }: NameKeys): string {
  // The look itself is a lock of the session for a moment: one of the transaction would keep others from announcing until its end.
  return `SELECT CASE WHEN pg_catalog.pg_try_advisory_lock(${announcement}) THEN pg_catalog.pg_advisory_unlock(${announcement})
    ELSE (SELECT true FROM pg_catalog.pg_notify('${channel}', '${id}')) END`;
}

/** What says that there is no transaction to take a lock in. */
function outside(error: unknown): LockArgumentError | null {
  const state = sqlState(error);
  if (state === '25P01') return refused('no transaction was begun on it');
  return state === '25P02' ? refused('its transaction has failed and can only be rolled back') : null;
}

function refused(why: string): LockArgumentError {
  return new LockArgumentError(`${WHERE}: client cannot be used: ${why}`, { option: 'client', backend: BACKEND });
}

function transactionOf(client: TransactionClient): Transaction {
  checkValue(WHERE, 'client', client, rule.object);
  // A pool would send each statement on another connection; postgres.js itself too, outside of `sql.begin`.
  if ('totalCount' in client || ('begin' in client && !('savepoint' in client))) {
    throw refused('it is a pool; pass the connection that the transaction was begun on');
  }
  if ('savepoint' in client && typeof client.savepoint === 'function') {
    // postgres.js fails a transaction permanently when a statement has failed outside of a savepoint that it knows of.
    return { run: runnerOf(client), within: async (body) => await client.savepoint(SAVEPOINT, (inner) => body(runnerOf(inner))) };
  }
  if (!('query' in client) || typeof client.query !== 'function') throw refused('it has neither query(text) nor savepoint and unsafe');
  const run: Run = async (text) => await client.query(text);
  return {
    run,
    async within(body) {
      // Refused outside of a transaction, where the lock would be gone with the statement that takes it.
      await run(`SAVEPOINT ${SAVEPOINT}`);
      try {
        const value = await body(run);
        await run(`RELEASE SAVEPOINT ${SAVEPOINT}`);
        return value;
      } catch (error) {
        await run(`ROLLBACK TO SAVEPOINT ${SAVEPOINT}; RELEASE SAVEPOINT ${SAVEPOINT}`).catch(() => {});
        throw error;
      }
    },
  };
}

function runnerOf({ unsafe }: Pick<PostgresJsTransaction, 'unsafe'>): Run {
  return async (text) => await unsafe(text);
}

/** The column `value` of the first row, of an answer as pg gives it or of rows alone. */
function valueOf(answer: unknown): string | null {
  const rows: unknown = typeof answer === 'object' && answer !== null && 'rows' in answer ? answer.rows : answer;
  const row: unknown = Array.isArray(rows) ? rows[0] : null;
  const value: unknown = typeof row === 'object' && row !== null && 'value' in row ? row.value : null;
  return typeof value === 'string' ? value : null;
}
