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
import { kindOfMode } from '../kind-of-mode.js';
import { Marks } from '../marks.js';
import { BACKEND, closedError, unavailable } from '../postgres-error.js';
import type { ResolvedPostgresOptions } from '../postgres-options.js';
import { Schema } from '../schema.js';
import { inBatches } from './in-batches.js';
import { LockRows } from './lock-rows.js';
import { pollWakes } from './poll-wakes.js';
import { PAGE, type Query, type Rows, type TableRequest } from './rows.js';
import { SharedRows } from './shared-rows.js';
import { ShedLockRows } from './shed-lock-rows.js';

const DAY_MS = 86_400_000;
/** One attempt in so many takes some of the old rows along. */
const TIDY_EVERY = 256;

/** Leases in rows, which expire by the server's clock. Every call is one statement, on any connection: no session is needed. */
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
    const query = await this.#query(call);
    this.#attempts += 1;
    if (this.#attempts % TIDY_EVERY === 1) this.#tidy(call);
    const asked: TableRequest[] = requests.map((request) => ({ ...request, isWaiting: this.#waiting.has(keyOf(request)) }));
    return this.#perKind(asked, (rows, batch) => rows.attempt(batch, query));
  }

  async renew(holds: readonly (HoldRef & { readonly ttlMs: number })[], call: CallContext): Promise<readonly boolean[]> {
    const query = await this.#query(call);
    return this.#perKind(holds, (rows, batch) => rows.renew(batch, query));
  }

  async release(holds: readonly HoldRef[], call: CallContext): Promise<readonly boolean[]> {
    const query = await this.#query(call);
    return this.#perKind(holds, (rows, batch) => rows.release(batch, query));
  }

  subscribe(request: HoldRequest, wake: () => void): { close(): void } {
    const key = keyOf(request);
    this.#waiting.set(key, (this.#waiting.get(key) ?? 0) + 1);
    const polling = pollWakes(wake);
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

  async #query(call: CallContext): Promise<Query> {
    this.#refuseIfClosed();
    await this.#schema?.ensure(call.timeoutMs);
    return async (text, values, lingerMs = 0) => {
      try {
        return await this.#source.borrow({ timeoutMs: call.timeoutMs, lingerMs: Math.min(lingerMs, DAY_MS) }, (connection) =>
          connection.query({ text, name: this.#nameOf(text) }, values),
        );
      } catch (error) {
        throw unavailable(error);
      }
    };
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

  /** Statements change one kind each, and a name at most once; answers stay in the order of the items. */
  async #perKind<T extends HoldRef, A>(
    items: readonly T[],
    run: (rows: Rows<FencingToken>, batch: readonly T[]) => Promise<readonly A[]>,
  ): Promise<A[]> {
    const answers: A[] = [];
    const batches = inBatches(items, ({ mode }) => kindOfMode[mode]);
    const outcomes = await Promise.allSettled(
      batches.map(async ({ kind, indexes }) => {
        const batch = indexes.flatMap((index) => items[index] ?? []);
        for (const [place, answer] of (await run(this.#rowsOf(kind), batch)).entries()) answers[indexes[place] ?? 0] = answer;
      }),
    );
    const failure = outcomes.find((outcome) => outcome.status === 'rejected');
    if (failure !== undefined) throw unavailable(failure.reason);
    return answers;
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
          `DELETE FROM ${this.#leases} WHERE ctid = ANY(ARRAY(SELECT ctid FROM ${this.#leases}
            WHERE expires_at < clock_timestamp() - interval '1 hour' LIMIT 500 FOR UPDATE SKIP LOCKED))`,
          [],
        ),
      )
      .catch(() => {});
  }
}

function keyOf({ mode, name }: Pick<HoldRequest, 'mode' | 'name'>): string {
  return `${mode}:${name}`;
}
