import { Buffer } from 'node:buffer';
import type { CallContext, LockBackend } from '@holdfast/core';
import type { ConnectionSource } from './connection-source.js';
import { eq, gt, le, NOW, plus, times } from './operators.js';
import { refusalOf } from './read-only.js';
import type { Schema } from './schema.js';

/** One in so many marks takes some of the expired ones along. */
const TIDY_EVERY = 64;

/** Completion marks: rows that say "this was done already", for as long as they are wanted. */
export class Marks implements NonNullable<LockBackend['marks']> {
  readonly #source: ConnectionSource;
  readonly #schema: Schema;
  readonly #table: string;
  readonly #namespace: string;
  readonly #refuseIfClosed: () => void;
  #count = 0;

  constructor(
    source: ConnectionSource,
    schema: Schema,
    options: { readonly schema: string; readonly namespace: string },
    refuseIfClosed: () => void,
  ) {
    this.#source = source;
    this.#schema = schema;
    this.#table = `"${options.schema}".marks`;
    this.#namespace = options.namespace;
    this.#refuseIfClosed = refuseIfClosed;
  }

  /** A mark that is told to stand has been flushed, whatever the role has set. */
  async set(name: string, retentionMs: number, call: CallContext): Promise<boolean> {
    const rows = await this.#query(
      `INSERT INTO ${this.#table} AS mark (namespace, name, expires_at)
        VALUES ($1, pg_catalog.decode($2, 'hex'), ${NOW} ${plus} ($3::pg_catalog.float8 ${times} interval '1 millisecond'))
        ON CONFLICT (namespace, name) DO UPDATE SET expires_at = excluded.expires_at WHERE mark.expires_at ${le} ${NOW}
        RETURNING pg_catalog.set_config('synchronous_commit', 'on', true)`,
      [this.#namespace, hexOf(name), String(retentionMs)],
      call,
    );
    this.#count += 1;
    if (this.#count % TIDY_EVERY === 1) this.#tidy(call);
    return rows.length > 0;
  }

  async has(name: string, call: CallContext): Promise<boolean> {
    const rows = await this.#query(
      `SELECT 1 FROM ${this.#table} WHERE namespace ${eq} $1 AND name ${eq} pg_catalog.decode($2, 'hex') AND expires_at ${gt} ${NOW}`,
      [this.#namespace, hexOf(name)],
      call,
    );
    return rows.length > 0;
  }

  /** In the background, and never in anybody's way. */
  #tidy(call: CallContext): void {
    this.#query(
      `DELETE FROM ${this.#table} WHERE ctid ${eq} ANY(ARRAY(
        SELECT ctid FROM ${this.#table} WHERE namespace ${eq} $1 AND expires_at ${le} ${NOW} LIMIT 500 FOR UPDATE SKIP LOCKED))`,
      [this.#namespace],
      call,
    ).catch(() => {});
  }

  async #query(text: string, values: readonly string[], call: CallContext): Promise<readonly unknown[]> {
    this.#refuseIfClosed();
    try {
      await this.#schema.ensure(call.timeoutMs);
      return await this.#source.borrow({ timeoutMs: call.timeoutMs }, (connection) => connection.query({ text }, values));
    } catch (error) {
      this.#schema.notice(error);
      throw await refusalOf(error, this.#source, call.timeoutMs);
    }
  }
}

/** Names as bytes: a text of PostgreSQL cannot hold every character that a name may. */
export function hexOf(name: string): string {
  return Buffer.from(name, 'utf8').toString('hex');
}
