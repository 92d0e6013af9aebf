import { LockUnavailableError } from '@holdfast/core';
import Libsql from 'libsql';

/** What is used of the driver, as a type of our own: its own types say `any`. */
interface Statement {
  get(...values: readonly SqlValue[]): Row | undefined;
  all(...values: readonly SqlValue[]): readonly Row[];
  run(...values: readonly SqlValue[]): { readonly changes: number };
}
interface Driver {
  prepare(sql: string): Statement;
  exec(sql: string): void;
  close(): void;
}
type SqlValue = string | number | null;
export type Row = Readonly<Record<string, SqlValue | undefined>>;

/** The clock of the store: SQLite's own, in ms. All processes of one host share it. */
export const NOW = "CAST(unixepoch('subsec') * 1000 AS INTEGER)";

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS holds (
    kind TEXT NOT NULL, name TEXT NOT NULL, owner TEXT NOT NULL, mode TEXT NOT NULL, permits INTEGER NOT NULL,
    label TEXT NOT NULL, token INTEGER, expires_at INTEGER NOT NULL,
    PRIMARY KEY (kind, name, owner)) WITHOUT ROWID;
  CREATE INDEX IF NOT EXISTS holds_by_end ON holds (expires_at);
  CREATE TABLE IF NOT EXISTS writers (name TEXT NOT NULL, client TEXT NOT NULL, expires_at INTEGER NOT NULL, PRIMARY KEY (name, client)) WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS counters (what TEXT PRIMARY KEY, n INTEGER NOT NULL) WITHOUT ROWID;
  INSERT OR IGNORE INTO counters VALUES ('freed', 0), ('token', ${NOW} * 1000);`;

/** How long another process may be within its transaction, which is a few statements. It blocks this process meanwhile. */
const BUSY_MS = 500;

/** One file, and its prepared statements. Calls are synchronous: a step is some tens of microseconds. */
export class Database {
  readonly #driver: Driver;
  readonly #statements = new Map<string, Statement>();

  constructor(path: string) {
    const Driver = Libsql as unknown as new (path: string) => Driver;
    this.#driver = this.#reached(() => new Driver(path));
    this.#reached(() => {
      this.#driver.prepare(`PRAGMA busy_timeout = ${BUSY_MS}`).get();
      this.#driver.prepare('PRAGMA journal_mode = WAL').get();
      // What a loss of power forgets was held by processes that it has ended too. Tokens rise with the clock anyway.
      this.#driver.exec('PRAGMA synchronous = NORMAL');
      this.#driver.exec(SCHEMA);
    });
  }

  get(sql: string, ...values: readonly SqlValue[]): Row | undefined {
    return this.#statement(sql).get(...values);
  }

  all(sql: string, ...values: readonly SqlValue[]): readonly Row[] {
    return this.#statement(sql).all(...values);
  }

  /** How many rows it has changed. */
  run(sql: string, ...values: readonly SqlValue[]): number {
    return this.#statement(sql).run(...values).changes;
  }

  /** All of it or nothing, and nobody writes meanwhile. */
  transaction<T>(work: () => T): T {
    return this.#reached(() => {
      this.#driver.exec('BEGIN IMMEDIATE');
      try {
        const result = work();
        this.#driver.exec('COMMIT');
        return result;
      } catch (error) {
        this.#driver.exec('ROLLBACK');
        throw error;
      }
    });
  }

  close(): void {
    this.#statements.clear();
    this.#driver.close();
  }

  #statement(sql: string): Statement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#driver.prepare(sql);
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  /** What SQLite refuses (a locked file, a full disk) was not carried out: the store was not reached. */
  #reached<T>(act: () => T): T {
    try {
      return act();
    } catch (error) {
      throw new LockUnavailableError(`sqlite: ${error instanceof Error ? error.message : String(error)}`, {
        backend: 'sqlite',
        cause: error,
      });
    }
  }
}
