import { Buffer } from 'node:buffer';
import { LockArgumentError, type OptionRule, readOptions, rule } from '@holdfast/core';
import { faultOfPool, type PostgresPool } from './postgres-client.js';
import { faultOfSql, type PostgresSql } from './postgres-js/postgres-sql.js';
import type { PostgresQuery } from './query-source.js';
import { checkConnectionString } from './postgres-url.js';

/** By a pool of the user's. */
interface ByPool {
  /**
   * A `pg` `Pool`, version 8. It is never ended, and its size counts: `advisory` keeps one of its clients for as long as
   * the manager is open, and takes others for moments, 4 at most; `table` takes 4 at most, for moments.
   */
  readonly pool: PostgresPool;
  readonly sql?: undefined;
  readonly query?: undefined;
  readonly connectionString?: undefined;
  readonly driverOptions?: undefined;
}

/** By a `sql` of postgres.js. */
interface BySql {
  /**
   * What `postgres(url)` of postgres.js makes, version 3.4 or later. It is never ended, and its `max` counts: `advisory` reserves one of its
   * connections for as long as the manager is open, listens on the connection that postgres.js keeps for that, and takes others for moments;
   * `table` takes connections for moments.
   */
  readonly sql: PostgresSql;
  readonly pool?: undefined;
  readonly query?: undefined;
  readonly connectionString?: undefined;
  readonly driverOptions?: undefined;
}

/** By a function of the user's. */
interface ByQuery {
  /**
   * `table` only: a function that runs one statement, over any driver, pooler or HTTP. Called at most a few times at once. A statement that
   * arrives late is refused by the server.
   */
  readonly query: PostgresQuery;
  readonly strategy: 'table';
  readonly pool?: undefined;
  readonly sql?: undefined;
  readonly connectionString?: undefined;
  readonly driverOptions?: undefined;
}

/** By connections of our own. */
interface ByConnectionString {
  /** `postgres://[user[:password]@]host[:port][/database][?...]`, as `pg` reads it. Connections to it are ours. */
  readonly connectionString: string;
  readonly pool?: undefined;
  readonly sql?: undefined;
  readonly query?: undefined;
  /** With `connectionString`: further options for `pg`'s `Client`, such as `ssl`. @default {} */
  readonly driverOptions?: Readonly<Record<string, unknown>> | undefined;
}

/** What does not depend on how the server is reached. */
interface PostgresSettings {
  /**
   * `advisory`: session advisory locks; freed with the session, woken by NOTIFY; needs a connection of its own to the
   * server. `table`: rows with an expiry; works through any pooler; waiters poll.
   * @default 'advisory'
   */
  readonly strategy?: 'advisory' | 'table' | undefined;
  /** The schema of the few objects that are needed. Made on first use, where the role may. @default 'holdfast' */
  readonly schema?: string | undefined;
  /** Keeps the names of several applications in one database apart. @default '' */
  readonly namespace?: string | undefined;
  /**
   * `advisory` only: `'session'` says that a pooler in session mode is in front of the server. Without it a pooler is
   * refused, because a pooler in transaction mode would lose the locks and report nothing.
   * @default 'none'
   */
  readonly pooler?: 'none' | 'session' | undefined;
  /**
   * `advisory` only: for how long after its last good heartbeat a session is believed in, in milliseconds. The server
   * ends a silent session a little later, so the locks of a machine that has vanished stand for about this time.
   * @default 15_000
   */
  readonly sessionMs?: number | undefined;
  /**
   * `advisory` only: the 64-bit key of a lock, where it must have a certain value: the key that another program uses, or a key
   * that certainly differs from the key of another name. undefined: the first 64 bits of a SHA-256 over namespace, kind and name.
   * @default none
   */
  readonly keyOf?: ((name: string) => bigint | undefined) | undefined;
  /** `table` only: locks in a table of ShedLock's form instead, so that its users and we exclude each other. @default none */
  readonly shedLockTable?: string | undefined;
}

/** Options of `createPostgresBackend`: exactly one of `pool`, `sql`, `query` and `connectionString`. */
export type PostgresBackendOptions = PostgresSettings & (ByPool | BySql | ByQuery | ByConnectionString);

export interface ResolvedPostgresOptions {
  readonly pool: PostgresPool | null;
  readonly sql: PostgresSql | null;
  readonly query: PostgresQuery | null;
  readonly connectionString: string | null;
  readonly strategy: 'advisory' | 'table';
  readonly schema: string;
  readonly namespace: string;
  readonly pooler: 'none' | 'session';
  readonly sessionMs: number;
  readonly keyOf: (name: string) => bigint | undefined;
  readonly shedLockTable: readonly string[] | null;
  readonly driverOptions: Readonly<Record<string, unknown>>;
}

const MAX_NAMESPACE_LENGTH = 256;
/** Shorter sessions would be lost in the pauses of an ordinary process. */
const MIN_SESSION_MS = 1_000;

const identifierRule: OptionRule = (value) =>
  typeof value === 'string' && /^[A-Za-z_][A-Za-z0-9_$]{0,62}$/.test(value)
    ? null
    : 'must be an identifier: a letter or _, then letters, digits, _ and $, 63 at most';

const schemaRule: OptionRule = (value) =>
  identifierRule(value) ?? (String(value).startsWith('pg_') ? "must not begin with pg_: such schemas are the server's own" : null);

const tableRule: OptionRule = (value) =>
  typeof value === 'string' && value.split('.').length <= 2 && value.split('.').every((part) => identifierRule(part) === null)
    ? null
    : 'must be a table, or schema.table';

const namespaceRule: OptionRule = (value) =>
  typeof value === 'string' && value.length <= MAX_NAMESPACE_LENGTH && value.isWellFormed()
    ? null
    : `must be a string of well-formed Unicode, at most ${MAX_NAMESPACE_LENGTH} long`;

/** A role may have any name: it is quoted. */
export const roleRule: OptionRule = (value) =>
  typeof value === 'string' && value.length > 0 && Buffer.byteLength(value) <= 63 && value.isWellFormed() && !value.includes('\0')
    ? null
    : 'must be the name of a role, of 1 to 63 bytes';

/** The options of a PostgreSQL backend and what each must be. */
export const postgresBackendRules = {
  pool: rule.secret(faultOfPool),
  sql: rule.secret(faultOfSql),
  query: rule.function,
  connectionString: rule.secret(rule.string),
  strategy: rule.oneOf('advisory', 'table'),
  schema: schemaRule,
  namespace: namespaceRule,
  pooler: rule.oneOf('none', 'session'),
  sessionMs: rule.duration({ min: MIN_SESSION_MS }),
  keyOf: rule.function,
  shedLockTable: tableRule,
  driverOptions: rule.secret(rule.object),
} satisfies Record<keyof PostgresBackendOptions, OptionRule>;

const defaults = Object.freeze({
  strategy: 'advisory',
  schema: 'holdfast',
  namespace: '',
  pooler: 'none',
  sessionMs: 15_000,
  keyOf: () => undefined,
  driverOptions: Object.freeze({}),
});
const ADVISORY_ONLY = ['pooler', 'sessionMs', 'keyOf'] as const;

/** @throws LockArgumentError LOCK_INVALID_ARGUMENT */
export function resolvePostgresOptions(where: string, given: PostgresBackendOptions): ResolvedPostgresOptions {
  const fail = (message: string, option: keyof PostgresBackendOptions | 'options'): never => {
    throw new LockArgumentError(`${where}: ${message}`, { option });
  };
  if (given === undefined) return fail('options are missing; pass pool, sql, query or connectionString', 'options');
  const options = readOptions(where, given, postgresBackendRules);
  const { pool, sql, query, connectionString } = options;
  const [first, second] = (['pool', 'sql', 'query', 'connectionString'] as const).filter((name) => options[name] !== undefined);
  if (first === undefined || second !== undefined) {
    fail('pass exactly one of pool, sql, query and connectionString', first ?? 'connectionString');
  }
  if (connectionString !== undefined) checkConnectionString(connectionString);
  if (connectionString === undefined && options.driverOptions !== undefined) {
    fail('driverOptions go with connectionString; a pool, sql and a query function have their own', 'driverOptions');
  }
  const strategy = options.strategy ?? defaults.strategy;
  if (query !== undefined && strategy !== 'table') {
    fail(
      "query goes with strategy 'table': an advisory lock belongs to one session, and a function does not say which it runs on",
      'strategy',
    );
  }
  if (strategy === 'table') {
    const wrong = ADVISORY_ONLY.find((name) => options[name] !== undefined);
    if (wrong !== undefined) fail(`${wrong} goes with strategy 'advisory'`, wrong);
  } else if (options.shedLockTable !== undefined) {
    fail(`shedLockTable goes with strategy 'table'`, 'shedLockTable');
  }
  return {
    pool: pool ?? null,
    sql: sql ?? null,
    query: query ?? null,
    connectionString: connectionString ?? null,
    strategy,
    schema: options.schema ?? defaults.schema,
    namespace: options.namespace ?? defaults.namespace,
    pooler: options.pooler ?? defaults.pooler,
    sessionMs: options.sessionMs ?? defaults.sessionMs,
    keyOf: options.keyOf ?? defaults.keyOf,
    shedLockTable: options.shedLockTable?.split('.') ?? null,
    driverOptions: { ...(options.driverOptions ?? defaults.driverOptions) },
  };
}
