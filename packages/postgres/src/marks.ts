import { Buffer } from 'node:buffer';
import type { BackendMarks, CallContext, MarkRequest, MarkSetter, StoredMark } from '@holdfast/core';
import type { Row } from './connection.js';
import type { ConnectionSource } from './connection-source.js';
import { hexOf } from './hex.js';
import { eq, gt, le, ne, NOW, plus, rowsFrom } from './operators.js';
import { refusalOf } from './read-only.js';
import type { Schema } from './schema.js';
import {
  IN_PAGE,
  indexes,
  inTime,
  interval,
  isTimely,
  msUntil,
  PAGE,
  pageValues,
  readChanges,
  SERVER_MS,
  textArray,
} from './table/rows.js';
import { TimedStatements } from './table/timed-statements.js';

/** So many marks take some of the expired ones along: twice as many and more, so that what has ended never adds up. */
const TIDY_EVERY = 64;
const TIDY_AT_LEAST = 500;

/** Completion marks: rows that say "this was done already", for as long as they are wanted. */
export class Marks implements BackendMarks {
  readonly #source: ConnectionSource;
  readonly #timed: TimedStatements;
  readonly #schema: Schema;
  readonly #table: string;
  readonly #namespace: string;
  readonly #refuseIfClosed: () => void;
  #untidied = TIDY_EVERY;

  constructor(
    source: ConnectionSource,
    schema: Schema,
    options: { readonly schema: string; readonly namespace: string },
    refuseIfClosed: () => void,
  ) {
    this.#source = source;
    this.#timed = new TimedStatements(source);
    this.#schema = schema;
    this.#table = `"${options.schema}".marks`;
    this.#namespace = options.namespace;
    this.#refuseIfClosed = refuseIfClosed;
  }

  async set(name: string, retentionMs: number, call: CallContext, setter: MarkSetter = { owner: '', label: '' }): Promise<boolean> {
    return (await this.setEach([{ name, retentionMs, ...setter }], call))[0] === true;
  }

  /** A mark that is reported to stand has been flushed, whatever the role has set. One's own stays as it is, and is reported once more. */
  async setEach(marks: readonly MarkRequest[], call: CallContext): Promise<readonly boolean[]> {
    const hasEnded = `mark.expires_at ${le} ${NOW}`;
    const kept = (column: string): string => `${column} = CASE WHEN ${hasEnded} THEN excluded.${column} ELSE mark.${column} END`;
    const answers = await this.#change(
      marks,
      `WITH asked AS MATERIALIZED (
        SELECT i, pg_catalog.decode(name, 'hex') AS name, ms, owner, pg_catalog.decode(label, 'hex') AS label
        FROM ${rowsFrom(['text', 'numeric', 'text', 'text'], 2)} AS r(name, ms, owner, label, i)
      ), written AS (
        INSERT INTO ${this.#table} AS mark (namespace, name, set_at, expires_at, owner, label)
        SELECT $1, name, ${NOW}, ${NOW} ${plus} ${interval('ms')}, owner, label FROM asked WHERE ${isTimely(6)} ORDER BY name
        ON CONFLICT (namespace, name) DO UPDATE SET ${['set_at', 'expires_at', 'owner', 'label'].map(kept).join(', ')}
        WHERE (${hasEnded} OR mark.owner ${eq} excluded.owner AND mark.owner ${ne} '') AND ${isTimely(6)}
        RETURNING mark.name, pg_catalog.set_config('synchronous_commit', 'on', true)
      )
      SELECT asked.i, written.name IS NOT NULL, ${SERVER_MS}
      FROM asked LEFT JOIN written ON written.name ${eq} asked.name ORDER BY asked.i`,
      (some) => [
        textArray(some.map(({ name }) => hexOf(name))),
        textArray(some.map(({ retentionMs }) => String(retentionMs))),
        textArray(some.map(({ owner }) => owner)),
        textArray(some.map(({ label }) => hexOf(label))),
      ],
      call,
    );
    this.#tidyNowAndThen(marks.length, call);
    return answers;
  }

  async has(name: string, call: CallContext): Promise<boolean> {
    return (await this.hasEach([name], call))[0] === true;
  }

  async hasEach(names: readonly string[], call: CallContext): Promise<readonly boolean[]> {
    const rows = await this.#query(
      `SELECT asked.i FROM ${rowsFrom(['text'], 2)} AS asked(name, i)
      JOIN LATERAL (SELECT expires_at FROM ${this.#table} AS mark
        WHERE mark.namespace ${eq} $1 AND mark.name ${eq} pg_catalog.decode(asked.name, 'hex') OFFSET 0) AS mark ON mark.expires_at ${gt} ${NOW}`,
      [this.#namespace, textArray(names.map(hexOf))],
      call,
    );
    const stands = indexes(rows);
    return names.map((_, index) => stands.has(index + 1));
  }

  async get(name: string, call: CallContext): Promise<StoredMark | null> {
    const [row] = await this.#query(`${this.#select()} AND name ${eq} pg_catalog.decode($2, 'hex')`, [this.#namespace, hexOf(name)], call);
    return row === undefined ? null : readMark(row);
  }

  async delete(name: string, call: CallContext): Promise<boolean> {
    const [stood] = await this.#change(
      [name],
      `WITH gone AS (
        DELETE FROM ${this.#table} WHERE namespace ${eq} $1 AND name ${eq} pg_catalog.decode($2, 'hex') AND ${isTimely(3)}
        RETURNING expires_at ${gt} ${NOW} AS stood, pg_catalog.set_config('synchronous_commit', 'on', true)
      )
      SELECT 1, coalesce(gone.stood, false), ${SERVER_MS} FROM (SELECT 1) AS asked LEFT JOIN gone ON true`,
      ([one = '']) => [hexOf(one)],
      call,
    );
    return stood === true;
  }

  async *list(prefix: string, call: CallContext): AsyncIterable<StoredMark> {
    for (let after = ''; ; ) {
      // oxlint-disable-next-line no-await-in-loop
      const page = (await this.#query(`${this.#select()} AND ${IN_PAGE}`, pageValues(this.#namespace, prefix, after), call)).map(readMark);
      yield* page;
      const last = page.at(-1);
      if (last === undefined || page.length < PAGE) return;
      after = last.name;
    }
  }

  #select(): string {
    return `SELECT pg_catalog.encode(name, 'hex') AS name_hex, pg_catalog.encode(label, 'hex') AS label_hex, ${msUntil(NOW, 'set_at')} AS age,
        ${msUntil('expires_at')} AS rest
      FROM ${this.#table} WHERE namespace ${eq} $1 AND expires_at ${gt} ${NOW}`;
  }

  /** In the background, and never in anybody's way. By their index: those that stand are not looked at. */
  #tidyNowAndThen(count: number, call: CallContext): void {
    this.#untidied += count;
    if (this.#untidied < TIDY_EVERY) return;
    const most = TIDY_AT_LEAST + 2 * this.#untidied;
    this.#untidied = 0;
    this.#query(
      `DELETE FROM ${this.#table} WHERE ctid ${eq} ANY(ARRAY(
        SELECT ctid FROM ${this.#table} WHERE namespace ${eq} $1 AND expires_at ${le} ${NOW} LIMIT ${most} FOR UPDATE SKIP LOCKED))`,
      [this.#namespace],
      call,
    ).catch(() => {});
  }

  /**
   * What writes is carried out in its time or not at all: a mark that is set late must not come back behind its deletion. `text` says for each
   * item whether it was, and SERVER_MS; its last two parameters are those of `isTimely`.
   */
  async #change<T>(
    items: readonly T[],
    text: string,
    valuesOf: (items: readonly T[]) => readonly string[],
    { timeoutMs }: CallContext,
  ): Promise<readonly boolean[]> {
    const answers = await this.#told(timeoutMs, () =>
      this.#timed.twiceIfLate(items, async (some, send) =>
        readChanges(await send({ text }, [this.#namespace, ...valuesOf(some)], { timeoutMs, owners: [] })),
      ),
    );
    return inTime(answers);
  }

  #query(text: string, values: readonly string[], { timeoutMs }: CallContext): Promise<readonly Row[]> {
    return this.#told(timeoutMs, () => this.#source.borrow(timeoutMs, (connection) => connection.query({ text }, values)));
  }

  /** Once the schema is there, and with errors of ours. */
  async #told<T>(timeoutMs: number, ask: () => Promise<T>): Promise<T> {
    this.#refuseIfClosed();
    try {
      await this.#schema.ensure(timeoutMs);
      return await ask();
    } catch (error) {
      this.#schema.notice(error);
      throw await refusalOf(error, this.#source, timeoutMs);
    }
  }
}

function readMark([name, label, ageMs, remainingMs]: Row): StoredMark {
  return { name: textOf(name), label: label === '' ? null : textOf(label), ageMs: Number(ageMs), remainingMs: Number(remainingMs) };
}

function textOf(hex: string | null | undefined): string {
  return Buffer.from(hex ?? '', 'hex').toString('utf8');
}
