import { readOptions } from '@holdfast/core';
import type { Queryable } from './connection.js';
import type { ConnectionSource } from './connection-source.js';
import { NOW, times } from './operators.js';
import { sqlState, unavailable, unavailableBecause } from './postgres-error.js';
import { checkShape, LOOK } from './schema-shape.js';
import { postgresBackendRules, roleRule } from './postgres-options.js';

/** What both strategies need, and what `table` needs besides. */
export interface PostgresSchemaOptions {
  /** @default 'holdfast' */
  readonly schema?: string | undefined;
  /** A role that uses locks and does not own them: the permissions that it needs are granted to it. @default none */
  readonly role?: string | undefined;
}

/** One migration at a time, no matter who runs it; 'holdfast' as a number. */
const MIGRATION_KEY = '7525352680829580148';

/**
 * The SQL that makes what Holdfast needs in a database: for a DBA to run where the application's role may not. It may be
 * run any number of times, by several at once, and leaves alone what is there.
 *
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT
 */
export function postgresSchemaSql(options: PostgresSchemaOptions = {}): string {
  const given = readOptions('postgresSchemaSql', options, { schema: postgresBackendRules.schema, role: roleRule });
  const role = given.role === undefined ? null : `"${given.role.replaceAll('"', '""')}"`;
  const schema = `"${given.schema ?? 'holdfast'}"`;
  // A role that owns the schema and may make no other is refused also where IF NOT EXISTS has nothing to do.
  const first = `BEGIN
  IF pg_catalog.to_regnamespace('${schema}') IS NULL THEN
    CREATE SCHEMA IF NOT EXISTS ${schema};
  END IF;
  EXECUTE pg_catalog.format('CREATE SEQUENCE IF NOT EXISTS ${schema}.fence AS bigint CACHE 1 START WITH %s',
    (extract(epoch FROM ${NOW}) ${times} 1000000)::pg_catalog.int8);
END`;
  const lines = [
    'BEGIN;',
    '-- Nothing that another role has made is run, whatever the search path of the present role leads to.',
    'SET LOCAL search_path = pg_catalog, pg_temp;',
    `SELECT pg_catalog.pg_advisory_xact_lock(${MIGRATION_KEY});`,
    '-- The schema, and fencing tokens. The start makes those of a new sequence higher than all of one that was dropped.',
    // A name may have a $ in it, and would end the body of a statement that is quoted by them.
    `DO LANGUAGE plpgsql '${first.replaceAll("'", "''")}';`,
    '-- Completion marks.',
    `CREATE TABLE IF NOT EXISTS ${schema}.marks (`,
    '  namespace pg_catalog.text NOT NULL, name pg_catalog.bytea NOT NULL, set_at pg_catalog.timestamptz NOT NULL,',
    '  expires_at pg_catalog.timestamptz NOT NULL, owner pg_catalog.text NOT NULL, label pg_catalog.bytea NOT NULL,',
    '  PRIMARY KEY (namespace, name));',
    '-- Leases of the strategy "table", and how many wait for them. A row stays for an hour after its last lease, and its fence with it.',
    `CREATE TABLE IF NOT EXISTS ${schema}.leases (`,
    '  namespace pg_catalog.text NOT NULL, kind pg_catalog.text NOT NULL, name pg_catalog.bytea NOT NULL, fence pg_catalog.int8 NOT NULL,',
    '  expires_at pg_catalog.timestamptz NOT NULL, owner pg_catalog.text, label pg_catalog.text, holders pg_catalog.jsonb NOT NULL,',
    '  writer_waits_until pg_catalog.timestamptz NOT NULL, PRIMARY KEY (namespace, kind, name));',
    `CREATE INDEX IF NOT EXISTS leases_expires_at ON ${schema}.leases (expires_at pg_catalog.timestamptz_ops);`,
    `CREATE INDEX IF NOT EXISTS marks_by_end ON ${schema}.marks (namespace pg_catalog.text_ops, expires_at pg_catalog.timestamptz_ops);`,
    ...(role === null
      ? []
      : [
          `GRANT USAGE ON SCHEMA ${schema} TO ${role};`,
          `GRANT USAGE ON SEQUENCE ${schema}.fence TO ${role};`,
          `GRANT SELECT, INSERT, UPDATE, DELETE ON ${schema}.marks, ${schema}.leases TO ${role};`,
        ]),
    'COMMIT;',
  ];
  return `${lines.join('\n')}\n`;
}

/** The same in a block, which is a transaction by itself. */
function asOneStatement(sql: string): string {
  const body = sql
    .replace(/^BEGIN;$/m, 'BEGIN')
    .replace(/^COMMIT;$/m, 'END')
    .replace(/^SELECT (pg_catalog\.pg_advisory_xact_lock)/m, 'PERFORM $1')
    // A block of its own already, and no statement of the language.
    .replace(/^DO LANGUAGE plpgsql '((?:[^']|'')*)';$/m, (_, inner: string) => `${inner.replaceAll("''", "'")};`);
  return `DO LANGUAGE plpgsql '${body.replaceAll("'", "''")}'`;
}

/** The schema, or something in it, does not exist. */
const MISSING = ['3F000', '42P01'];

/** Makes sure that the objects are there: once, and after somebody has dropped them. */
export class Schema {
  readonly #source: ConnectionSource;
  readonly #name: string;
  #isThere = false;
  #making: Promise<void> | null = null;

  constructor(source: ConnectionSource, name: string) {
    this.#source = source;
    this.#name = name;
  }

  get isThere(): boolean {
    return this.#isThere;
  }

  /** A statement failed: the objects may have been dropped, and are then made anew by the next call. */
  notice(error: unknown): void {
    if (MISSING.includes(sqlState(error) ?? '')) this.#isThere = false;
  }

  /** @throws LockUnavailableError, `retryable: false` with the SQL to run when the role may not make them */
  ensure(timeoutMs: number): Promise<void> {
    if (this.#isThere) return Promise.resolve();
    this.#making ??= this.#source
      .borrow(timeoutMs, (connection) => this.ensureOn(connection))
      .finally(() => {
        this.#making = null;
      });
    return this.#making;
  }

  /** The same on a connection that is there: a pool may have no other to give. */
  async ensureOn(connection: Queryable): Promise<void> {
    if (this.#isThere) return;
    try {
      await this.#make(connection);
    } catch (error) {
      if (sqlState(error) === '42501') throw this.#refused();
      throw unavailable(error);
    }
    this.#isThere = true;
  }

  async #make(connection: Queryable): Promise<void> {
    if (await this.#look(connection)) return;
    const sql = postgresSchemaSql({ schema: this.#name });
    if (this.#source.isOneByOne === true) await connection.query({ text: asOneStatement(sql) });
    else await runTransaction(connection, sql);
    // What was there before has stayed as it was.
    await this.#look(connection);
  }

  /** Whether all of it is there. @throws LockUnavailableError, `retryable: false`, when something that is there cannot be used */
  async #look(connection: Queryable): Promise<boolean> {
    const { clock, serverClock } = this.#source;
    const at = clock.now();
    const [row] = await connection.query({ text: LOOK }, [this.#name]);
    // First contact: what is sent next knows what time it is there.
    const tookMs = clock.now() - at;
    serverClock.note(at, Number(row?.[1]), tookMs, tookMs);
    checkShape(this.#name, row?.[2] ?? '[]');
    return row?.[0] === '3';
  }

  #refused(): Error {
    const sql = postgresSchemaSql({ schema: this.#name });
    return unavailableBecause(
      `the role may not make the objects that locking needs in the schema ${this.#name} (42501). Let somebody who may run this, with ` +
        `the application's role granted as postgresSchemaSql({ role }) prints it:\n${sql}`,
      { retryable: false },
    );
  }
}

async function runTransaction(connection: Queryable, sql: string): Promise<void> {
  try {
    await connection.query({ text: sql });
  } catch (error) {
    await connection.query({ text: 'ROLLBACK' });
    throw error;
  }
}
