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
export type TransactionClient = { query(text: string): PromiseLike<unknown> } | { unsafe(text: string): PromiseLike<unknown> };

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
  const run = runnerOf(client);
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
  if (!(await take(run, keys, waitMs))) {
    const waitedMs = Math.round(systemClock.now() - startedAt);
    const text = `${JSON.stringify(name)} was not free${waitMs === 0 ? '' : ` within ${waitMs} ms`}`;
    throw new LockTimeoutError(text, { lockName: name, backend: BACKEND, waitedMs });
  }
  try {
    return await task();
  } finally {
    // In a transaction that has failed nothing can be said, and nothing needs to: those who wait look again within 2 s.
    await run(notifyWaiters(lockKeys.channel(keys.bucket), keys)).catch(() => {});
  }
}

/** Answers whether it was taken. The transaction is as it was, also after a failure. */
async function take(run: Run, keys: NameKeys, waitMs: number): Promise<boolean> {
  const { name } = keys;
  try {
    // Refused outside of a transaction, where the lock would be gone with the statement that takes it.
    await run(`SAVEPOINT ${SAVEPOINT}`);
  } catch (error) {
    throw outside(error) ?? unavailable(error, name);
  }
  try {
    if (waitMs > 0) {
      await waitFor(run, keys, waitMs);
      return true;
    }
    const taken = valueOf(await run(`SELECT pg_catalog.pg_try_advisory_xact_lock(${keys.main})::pg_catalog.text AS value`)) === 'true';
    await run(`RELEASE SAVEPOINT ${SAVEPOINT}`);
    return taken;
  } catch (error) {
    await run(`ROLLBACK TO SAVEPOINT ${SAVEPOINT}; RELEASE SAVEPOINT ${SAVEPOINT}`).catch(() => {});
    if (waitMs > 0 && sqlState(error) === LOCK_NOT_AVAILABLE) return false;
    throw unavailable(error, name);
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
      `RELEASE SAVEPOINT ${SAVEPOINT}`,
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

function runnerOf(client: TransactionClient): Run {
  checkValue(WHERE, 'client', client, rule.object);
  // A pool would send each statement on another connection; postgres.js itself too, outside of `sql.begin`.
  if ('totalCount' in client || ('begin' in client && !('savepoint' in client))) {
    throw refused('it is a pool; pass the connection that the transaction was begun on');
  }
  if ('unsafe' in client && typeof client.unsafe === 'function') return async (text) => await client.unsafe(text);
  if ('query' in client && typeof client.query === 'function') return async (text) => await client.query(text);
  throw refused('it has neither query(text) nor unsafe(text)');
}

/** The column `value` of the first row, of an answer as pg gives it or of rows alone. */
function valueOf(answer: unknown): string | null {
  const rows: unknown = typeof answer === 'object' && answer !== null && 'rows' in answer ? answer.rows : answer;
  const row: unknown = Array.isArray(rows) ? rows[0] : null;
  const value: unknown = typeof row === 'object' && row !== null && 'value' in row ? row.value : null;
  return typeof value === 'string' ? value : null;
}
