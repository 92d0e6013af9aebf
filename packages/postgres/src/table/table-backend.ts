import {
  type Answer,
  type CallContext,
  type Capabilities,
  type FencingToken,
  type HoldRef,
  type HoldRequest,
  type LockBackend,
  type LockKind,
  type LockState,
  LockUnsupportedError,
} from '@holdfast/core';
import type { ConnectionSource } from '../connection-source.js';
import { Marks } from '../marks.js';
import { eq, lt, minus, NOW } from '../operators.js';
import { BACKEND, beforeSending, closedError, sqlState } from '../postgres-error.js';
import type { ResolvedPostgresOptions } from '../postgres-options.js';
import { refusalOf } from '../read-only.js';
import { Schema } from '../schema.js';
import { LockRows } from './lock-rows.js';
import { pollWakes } from './poll-wakes.js';
import { PAGE, type Query, type Rows, type TableRenewal, type TableRequest } from './rows.js';
import { SharedRows } from './shared-rows.js';
import { ShedLockRows } from './shed-lock-rows.js';
import { TickBatches } from './tick-batches.js';

const DAY_MS = 86_400_000;
const NOT_SERIALIZABLE = '40001';
/** What a statement is tried so often for. */
const MAX_TRIES = 5;
const NOT_IN_ENCODING = '22P05';
/** Every character that not all encodings have. */
const NOT_ASCII = /[^ -~]/gu;
/** One attempt in so many takes some of the old rows along. */
const TIDY_EVERY = 256;

/**
 * Leases in rows, which expire by the server's clock. Each step is one statement, on any connection: no session is needed. What
 * is asked for in the same turn of the event loop shares one.
 */
export class TableBackend implements LockBackend {
  readonly contract = 1;
  readonly name = BACKEND;
  readonly capabilities: Capabilities;
  readonly marks?: NonNullable<LockBackend['marks']>;
  readonly #source: ConnectionSource;
  readonly #schema: Schema | null;
  readonly #leases: string;
  readonly #locks: Rows<FencingToken>;
  readonly #semaphores: SharedRows;
  readonly #readWrite: SharedRows;
  /** Names for which somebody here waits, and how many. */
  readonly #waiting = new Map<string, number>();
  readonly #names = new Map<string, string>();
  readonly #attempting = new TickBatches<TableRequest, Answer>((kind, asked, timeoutMs) => this.#attempt(kind, asked, timeoutMs));
  readonly #renewing = new TickBatches<TableRenewal, boolean>((kind, holds, timeoutMs) =>
    this.#rowsOf(kind).renew(holds, this.#statement(timeoutMs)),
  );
  readonly #releasing = new TickBatches<HoldRef, boolean>((kind, holds, timeoutMs) =>
    this.#rowsOf(kind).release(holds, this.#statement(timeoutMs)),
  );
  #attempts = 0;
  #isClosed = false;

  constructor(options: ResolvedPostgresOptions, source: ConnectionSource) {
    const { schema, namespace, shedLockTable } = options;
    const isOwn = shedLockTable === null;
    this.#source = source;
    this.#schema = isOwn ? new Schema(source, schema) : null;
    this.#leases = `"${schema}".leases`;
    this.#locks = isOwn ? new LockRows(schema, namespace) : new ShedLockRows(shedLockTable);
    this.#semaphores = new SharedRows('semaphore', schema, namespace);
    this.#readWrite = new SharedRows('read-write', schema, namespace);
    this.capabilities = Object.freeze({
      fencing: isOwn,
      semaphores: isOwn,
      readWriteLocks: isOwn,
      fair: false,
      push: false,
      marks: isOwn,
      list: true,
      expiry: 'ttl',
    });
    if (this.#schema !== null) this.marks = new Marks(source, this.#schema, options, () => this.#refuseIfClosed());
  }

  async attempt(requests: readonly HoldRequest[], call: CallContext): Promise<readonly Answer[]> {
    await this.#ready(call.timeoutMs);
    this.#attempts += 1;
    if (this.#attempts % TIDY_EVERY === 1) this.#tidy(call);
    const asked = requests.map((request): TableRequest => ({ ...request, isWaiting: this.#waiting.has(keyOf(request)) }));
    return this.#asked(this.#attempting.ask(asked, call.timeoutMs), call.timeoutMs);
  }

  async renew(holds: readonly (HoldRef & { readonly ttlMs: number })[], call: CallContext): Promise<readonly boolean[]> {
    await this.#ready(call.timeoutMs);
    return this.#asked(this.#renewing.ask(holds, call.timeoutMs), call.timeoutMs);
  }

  async release(holds: readonly HoldRef[], call: CallContext): Promise<readonly boolean[]> {
    await this.#ready(call.timeoutMs);
    return this.#asked(this.#releasing.ask(holds, call.timeoutMs), call.timeoutMs);
  }

  subscribe(request: HoldRequest, wake: () => void): { close(): void } {
    const key = keyOf(request);
    this.#waiting.set(key, (this.#waiting.get(key) ?? 0) + 1);
    const polling = pollWakes(this.#source.clock, wake);
    let isOpen = true;
    return {
      close: () => {
        if (!isOpen) return;
        isOpen = false;
        polling.close();
        const left = (this.#waiting.get(key) ?? 1) - 1;
        if (left > 0) this.#waiting.set(key, left);
        else this.#waiting.delete(key);
        if (left === 0 && request.mode === 'write') this.#withdraw(request.name);
      },
    };
  }

  async inspect(name: string, kind: LockKind, call: CallContext): Promise<LockState> {
    return this.#rowsOf(kind).inspect(name, await this.#query(call));
  }

  async forceRelease(name: string, kind: LockKind, call: CallContext): Promise<boolean> {
    return this.#rowsOf(kind).forceRelease(name, await this.#query(call));
  }

  async *list(prefix: string, call: CallContext): AsyncIterable<LockState> {
    const kinds: readonly LockKind[] = this.#schema === null ? ['lock'] : ['lock', 'semaphore', 'read-write'];
    for (const kind of kinds) {
      let after: string | null = null;
      for (;;) {
        const page: readonly LockState[] = await this.#rowsOf(kind).list(prefix, after, await this.#query(call));
        yield* page;
        after = page.at(-1)?.name ?? null;
        if (page.length < PAGE) break;
      }
    }
  }

  async checkHealth(call: CallContext): Promise<void> {
    const query = await this.#query(call);
    await query('SELECT 1', []);
  }

  async close(): Promise<void> {
    this.#isClosed = true;
    this.#source.close();
  }

  #refuseIfClosed(): void {
    if (this.#isClosed) throw closedError();
  }

  async #ready(timeoutMs: number): Promise<void> {
    this.#refuseIfClosed();
    if (this.#schema?.isThere === false) await beforeSending(this.#schema.ensure(timeoutMs));
  }

  async #query(call: CallContext): Promise<Query> {
    await this.#ready(call.timeoutMs);
    const statement = this.#statement(call.timeoutMs);
    return (...args) => this.#asked(statement(...args), call.timeoutMs);
  }

  /** Rejects with what the driver throws: whether the server answered is to be seen there. */
  #statement(timeoutMs: number): Query {
    return async (text, values, lingerMs = 0) => {
      for (let tries = 1; ; tries++) {
        try {
          return await this.#source.borrow({ timeoutMs, lingerMs: Math.min(lingerMs, DAY_MS) }, (connection) =>
            connection.query({ text, name: this.#nameOf(text) }, values),
          );
        } catch (error) {
          // A role may have a stricter isolation, by which the server refuses what ran into another's row.
          if (tries === MAX_TRIES || sqlState(error) !== NOT_SERIALIZABLE) throw error;
        }
      }
    };
  }

  async #asked<T>(answer: Promise<T>, timeoutMs: number): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      this.#schema?.notice(error);
      throw await refusalOf(error, this.#source, timeoutMs);
    }
  }

  async #attempt(kind: LockKind, asked: readonly TableRequest[], timeoutMs: number): Promise<readonly Answer[]> {
    const query = this.#statement(timeoutMs);
    try {
      return await this.#rowsOf(kind).attempt(asked, query);
    } catch (error) {
      if (sqlState(error) !== NOT_IN_ENCODING) throw error;
      // A label is for people: better with question marks than no lock.
      const plain = asked.map((request) => ({ ...request, label: request.label.replaceAll(NOT_ASCII, '?') }));
      return this.#rowsOf(kind).attempt(plain, query);
    }
  }

  /** Names a statement, so that it is parsed and planned once a connection: that takes longer than to carry it out. */
  #nameOf(text: string): string {
    let name = this.#names.get(text);
    if (name === undefined) {
      name = `holdfast_${this.#names.size}`;
      this.#names.set(text, name);
    }
    return name;
  }

  #rowsOf(kind: LockKind): Rows<FencingToken> {
    if (kind === 'lock') return this.#locks;
    if (this.#schema === null) {
      throw new LockUnsupportedError('postgres: a table of ShedLock holds locks only', {
        backend: BACKEND,
        capability: kind === 'semaphore' ? 'semaphores' : 'readWriteLocks',
      });
    }
    return kind === 'semaphore' ? this.#semaphores : this.#readWrite;
  }

  /** In the background: what is lost of it costs readers two seconds. */
  #withdraw(name: string): void {
    if (this.#isClosed) return;
    const call = { timeoutMs: 2_000 } as CallContext;
    this.#query(call)
      .then((query) => this.#readWrite.withdraw(name, query))
      .catch(() => {});
  }

  /** Rows that have been free for an hour go; in the background, and never in anybody's way. */
  #tidy(call: CallContext): void {
    if (this.#schema === null) return;
    this.#query(call)
      .then((query) =>
        query(
          `DELETE FROM ${this.#leases} WHERE ctid ${eq} ANY(ARRAY(SELECT ctid FROM ${this.#leases}
            WHERE expires_at ${lt} (${NOW} ${minus} interval '1 hour') LIMIT 500 FOR UPDATE SKIP LOCKED))`,
          [],
        ),
      )
      .catch(() => {});
  }
}

function keyOf({ mode, name }: Pick<HoldRequest, 'mode' | 'name'>): string {
  return `${mode}:${name}`;
}
