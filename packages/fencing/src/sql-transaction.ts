import { LockArgumentError } from '@holdfast/core';

/**
 * A running transaction, of any of these libraries; which one follows from its methods. `query(text, values)`: pg, mysql2, mariadb, TypeORM, and others with
 * this method. `unsafe(text)`: postgres.js. `raw(text)`: Knex. `executeQuery(query)`: Kysely. `execute(text)`: Drizzle, @libsql/client. `all(text)`: Drizzle on SQLite.
 * `prepare(text)`: better-sqlite3, libsql, node:sqlite.
 */
export type SqlTransaction = object | ((...args: never[]) => unknown);

type Method = (...args: readonly unknown[]) => unknown;
type Library = Readonly<Record<string, unknown>>;

interface Adapter {
  /** The method that the library is known by. */
  readonly method: string;
  run(tx: Library, method: Method, text: string): unknown;
  /** Looks like the connection or the pool, and not like a transaction of it: each statement would be a transaction of its own. */
  isOutside(tx: Library): boolean;
}

const isMethod = (value: unknown): value is Method => typeof value === 'function';
const has = (tx: Library, ...methods: readonly string[]): boolean => methods.some((method) => isMethod(tx[method]));

const adapters: readonly Adapter[] = [
  { method: 'unsafe', run: (tx, unsafe, text) => unsafe.call(tx, text), isOutside: (tx) => has(tx, 'begin') && !has(tx, 'savepoint') },
  { method: 'raw', run: (tx, raw, text) => raw.call(tx, text), isOutside: (tx) => tx['isTransaction'] !== true },
  {
    method: 'executeQuery',
    run: (tx, executeQuery, text) => executeQuery.call(tx, compiled(text)),
    isOutside: (tx) => tx['isTransaction'] === false,
  },
  {
    method: 'query',
    run: (tx, query, text) => query.call(tx, text, []),
    // A pool of pg, mysql2 or mariadb; a DataSource of TypeORM.
    isOutside: (tx) => typeof tx['totalCount'] === 'number' || has(tx, 'getConnection', 'createQueryRunner'),
  },
  { method: 'execute', run: (tx, execute, text) => execute.call(tx, text), isOutside: (tx) => !has(tx, 'rollback') },
  { method: 'all', run: (tx, all, text) => all.call(tx, text), isOutside: (tx) => !has(tx, 'rollback') },
  {
    method: 'prepare',
    run: (tx, prepare, text) => runPrepared(prepare.call(tx, text), text),
    isOutside: (tx) => tx['inTransaction'] === false || tx['isTransaction'] === false,
  },
];

/**
 * Runs one statement. What the driver throws is its own error, as it is: code that repeats transactions looks at its code.
 *
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT for what is no transaction of a library that is known
 */
export async function runSql(where: string, tx: SqlTransaction, text: string): Promise<unknown> {
  const library = tx as unknown as Library;
  const adapter =
    (typeof tx === 'object' && tx !== null) || typeof tx === 'function' ? adapters.find(({ method }) => has(library, method)) : undefined;
  const method = adapter === undefined ? undefined : library[adapter.method];
  if (adapter === undefined || !isMethod(method)) {
    throw refused(where, `is no transaction that is known; it must have one of ${adapters.map(({ method: name }) => name).join(', ')}`);
  }
  if (adapter.isOutside(library)) {
    throw refused(where, 'is a pool or a connection that no transaction was begun on; it must be the transaction in which is written');
  }
  return await adapter.run(library, method, text);
}

/** The `token` of a result's first row; null where there is no row. */
export function tokenOf(result: unknown): bigint | null {
  const rows: unknown = isWithRows(result) ? result.rows : Array.isArray(result) && Array.isArray(result[0]) ? result[0] : result;
  const row: unknown = Array.isArray(rows) ? rows[0] : undefined;
  if (typeof row !== 'object' || row === null) return null;
  const token: unknown = Array.isArray(row) ? row[0] : (row as Library)['token'];
  // A float has lost digits.
  if (typeof token === 'string' && !/^\d+$/.test(token)) throw new Error('enter: the column token of the table must be a bigint');
  return typeof token === 'string' || typeof token === 'number' || typeof token === 'bigint' ? BigInt(token) : null;
}

function refused(where: string, text: string): LockArgumentError {
  return new LockArgumentError(`${where}: tx ${text}`, { option: 'tx' });
}

function isWithRows(result: unknown): result is { readonly rows: unknown } {
  return typeof result === 'object' && result !== null && 'rows' in result;
}

/** What Kysely's `CompiledQuery.raw` makes. */
function compiled(text: string): object {
  return {
    sql: text,
    parameters: [],
    query: { kind: 'RawNode', sqlFragments: [text], parameters: [] },
    queryId: { queryId: 'holdfast' },
  };
}

function runPrepared(statement: unknown, text: string): unknown {
  const { all, run } = statement as { readonly all?: Method; readonly run?: Method };
  // better-sqlite3 refuses `all` for a statement that returns nothing.
  const method = /\breturning\b|^select/.test(text) ? all : run;
  return method?.call(statement);
}
