import { randomBytes } from 'node:crypto';
import {
  type Answer,
  type CallContext,
  type Capabilities,
  type DifferentLimit,
  type FencingToken,
  type Finding,
  type HoldRef,
  type HoldRequest,
  type LockBackend,
  type LockKind,
  type LockState,
  LockUnsupportedError,
  type ReleaseAnswer,
  type WaitLine,
} from '@holdfast/core';
import { kindOf, LineSigns } from '@holdfast/core/backend';
import type { ConnectionSource } from '../connection-source.js';
import { examineServer } from '../examine-server.js';
import { Marks } from '../marks.js';
import { eq, lt, minus, NOW } from '../operators.js';
import { BACKEND, beforeSending, closedError, sqlState } from '../postgres-error.js';
import type { ResolvedPostgresOptions } from '../postgres-options.js';
import { refusalOf } from '../read-only.js';
import { Schema } from '../schema.js';
import { ifSerializable } from '../if-serializable.js';
import { within } from '../within.js';
import { LockRows } from './lock-rows.js';
import { type Polling, pollWakes } from './poll-wakes.js';
import {
  type HeldState,
  inTime,
  PAGE,
  type Query,
  type Rows,
  type TableAnswer,
  type TableRenewal,
  type TableRequest,
  type TimedQuery,
} from './rows.js';
import { TimedStatements } from './timed-statements.js';
import { SharedRows } from './shared-rows.js';
import { ShedLockRows } from './shed-lock-rows.js';
import { TickBatches } from './tick-batches.js';
import { type WaitedFor, WaiterRows, type Waiters } from './waiter-rows.js';

type Refused = Extract<TableAnswer<FencingToken>, { readonly granted: false }>;

const DRAIN_MS = 1_000;
const NOT_IN_ENCODING = '22P05';
/** Every character that not all encodings have. */
const NOT_ASCII = /[^ -~]/gu;
/** One attempt in so many takes some of the old rows along. */
const TIDY_EVERY = 256;
/** What nobody waits for. */
const BACKGROUND = { timeoutMs: 2_000 };
/** A table of ShedLock's has no room for those who wait. */
const UNKNOWN: Waiters = { waiters: null, oldestWaitMs: null };

/**
 * Leases in rows, which expire by the server's clock. Each step is one statement, on any connection: no session is needed. What
 * is asked for in the same turn of the event loop shares one.
 */
export class TableBackend implements LockBackend {
  readonly contract = 1;
  readonly requestsExpire = true;
  readonly name = BACKEND;
  readonly capabilities: Capabilities;
  readonly marks?: NonNullable<LockBackend['marks']>;
  readonly announce?: NonNullable<LockBackend['announce']>;
  readonly #source: ConnectionSource;
  readonly #schema: Schema | null;
  readonly #leases: string;
  readonly #locks: Rows<FencingToken>;
  readonly #semaphores: SharedRows;
  readonly #readWrite: SharedRows;
  readonly #waiters: WaiterRows | null;
  readonly #signs: LineSigns<WaitedFor> | null;
  readonly #timed: TimedStatements;
  /** Names for which somebody here waits. */
  readonly #waiting = new Map<string, Set<Polling>>();
  readonly #names = new Map<string, string>();
  readonly #attempting = new TickBatches<TableRequest, TableAnswer<FencingToken>>((kind, asked, timeoutMs) =>
    this.#attempt(kind, asked, timeoutMs),
  );
  readonly #renewing = new TickBatches<TableRenewal, boolean | null>((kind, holds, timeoutMs) => this.#renew(kind, holds, timeoutMs));
  readonly #releasing = new TickBatches<HoldRef, ReleaseAnswer>((kind, holds, timeoutMs) => this.#release(kind, holds, timeoutMs));
  #tellLimit: (seen: DifferentLimit) => void = () => {};
  #attempts = 0;
  #isClosed = false;

  constructor(options: ResolvedPostgresOptions, source: ConnectionSource) {
    const { schema, namespace, shedLockTable } = options;
    const isOwn = shedLockTable === null;
    this.#source = source;
    this.#timed = new TimedStatements(source);
    this.#schema = isOwn ? new Schema(source, schema) : null;
    this.#leases = `"${schema}".leases`;
    const waiters = new WaiterRows(schema, namespace, randomBytes(8).toString('hex'));
    this.#locks = isOwn ? new LockRows(schema, namespace, waiters) : new ShedLockRows(shedLockTable);
    this.#semaphores = new SharedRows('semaphore', schema, namespace, waiters, (seen) => this.#tellLimit(seen));
    this.#readWrite = new SharedRows('read-write', schema, namespace, waiters);
    const signs = isOwn ? new LineSigns<WaitedFor>(source.clock, async (news) => waiters.tell(news, await this.#query(BACKGROUND))) : null;
    this.#waiters = isOwn ? waiters : null;
    this.#signs = signs;
    if (signs !== null) this.announce = (request, line) => announceTo(signs, request, line);
    this.capabilities = Object.freeze({
      fencing: isOwn,
      semaphores: isOwn,
      reportsLimits: isOwn,
      readWriteLocks: isOwn,
      fair: false,
      push: false,
      marks: isOwn,
      list: true,
      expiry: 'ttl',
    });
    if (this.#schema !== null) this.marks = new Marks(source, this.#schema, options, () => this.#refuseIfClosed());
  }

  attempt(requests: readonly HoldRequest[], call: CallContext): Promise<readonly Answer[]> {
    return this.#timed.attempting(ownersIn(requests), async () => {
      await this.#ready(call.timeoutMs);
      this.#attempts += 1;
      if (this.#attempts % TIDY_EVERY === 1) this.#tidy(call);
      const asked = requests.map((request) => this.#asWaiter(request));
      const answers = await this.#asked(this.#attempting.ask(asked, call.timeoutMs), call.timeoutMs);
      return answers.map((answer, index) => (answer.granted ? answer : this.#refused(asked[index], answer)));
    });
  }

  #asWaiter(request: HoldRequest): TableRequest {
    const isWaiting = this.#waiting.has(keyOf(request));
    return { ...request, isWaiting, sign: isWaiting ? (this.#signs?.riding(lineOf(request)) ?? null) : null };
  }

  #refused(request: TableRequest | undefined, { granted, remainingMs, latest }: Refused): Answer {
    for (const polling of (request === undefined ? undefined : this.#waiting.get(keyOf(request))) ?? []) {
      polling.refused(latest);
      // A reader may come in as soon as the writer that kept it out has not been heard of for a while.
      if (request?.mode === 'read' && remainingMs !== null) polling.atLatestIn(remainingMs + 2);
    }
    return { granted, remainingMs };
  }

  async adopt(request: HoldRequest, fencingToken: FencingToken, call: CallContext): Promise<boolean> {
    const { name, owner, mode } = request;
    const found = await this.#rowsOf(kindOf(mode)).granted(name, owner, await this.#query(call));
    if (found === null || found === 'any') return found === 'any';
    const permits = request.mode === 'permits' ? request.permits : 1;
    return found.mode === mode && found.permits === permits && found.fencingToken === fencingToken;
  }

  async renew(holds: readonly (HoldRef & { readonly ttlMs: number })[], call: CallContext): Promise<readonly (boolean | null)[]> {
    await this.#ready(call.timeoutMs);
    return this.#asked(this.#renewing.ask(holds, call.timeoutMs), call.timeoutMs);
  }

  async release(holds: readonly HoldRef[], call: CallContext): Promise<readonly ReleaseAnswer[]> {
    await this.#ready(call.timeoutMs);
    return this.#asked(this.#releasing.ask(holds, call.timeoutMs), call.timeoutMs);
  }

  onLimitDiffers(listener: (seen: DifferentLimit) => void): void {
    this.#tellLimit = listener;
  }

  subscribe(request: HoldRequest, wake: () => void): { close(): void } {
    const key = keyOf(request);
    const polling = pollWakes(this.#source.clock, wake);
    const waiting = this.#waiting.get(key) ?? new Set();
    this.#waiting.set(key, waiting.add(polling));
    let isOpen = true;
    return {
      close: () => {
        if (!isOpen) return;
        isOpen = false;
        polling.close();
        waiting.delete(polling);
        if (waiting.size > 0) return;
        if (this.#waiting.get(key) === waiting) this.#waiting.delete(key);
        if (request.mode === 'write') this.#withdraw(request.name);
      },
    };
  }

  async inspect(name: string, kind: LockKind, call: CallContext): Promise<LockState> {
    const query = await this.#query(call);
    const [state, [waiters]] = await Promise.all([this.#rowsOf(kind).inspect(name, query), this.#waitersOf(kind, [name], query)]);
    return { ...state, ...(waiters ?? UNKNOWN) };
  }

  async forceRelease(name: string, kind: LockKind, call: CallContext): Promise<boolean> {
    return this.#rowsOf(kind).forceRelease(name, await this.#query(call));
  }

  async *list(prefix: string, call: CallContext): AsyncIterable<LockState> {
    const kinds: readonly LockKind[] = this.#schema === null ? ['lock'] : ['lock', 'semaphore', 'read-write'];
    for (const kind of kinds) {
      let after: string | null = null;
      for (;;) {
        const query = await this.#query(call);
        const page: readonly HeldState[] = await this.#rowsOf(kind).list(prefix, after, query);
        const waiters = await this.#waitersOf(
          kind,
          page.map(({ name }) => name),
          query,
        );
        yield* page.map((state, index) => ({ ...state, ...(waiters[index] ?? UNKNOWN) }));
        after = page.at(-1)?.name ?? null;
        if (page.length < PAGE) break;
      }
    }
  }

  async checkHealth(call: CallContext): Promise<void> {
    const query = await this.#query(call);
    await query('SELECT 1', []);
  }

  examine(call: CallContext): Promise<readonly Finding[]> {
    return this.#source.borrow(call.timeoutMs, (connection) => examineServer(connection, call.clock, false));
  }

  async close(): Promise<void> {
    const signs = this.#signs?.close();
    this.#isClosed = true;
    if (signs !== undefined) await within(this.#source.clock, DRAIN_MS, 'the server did not answer', signs).catch(() => {});
    this.#source.close();
  }

  #refuseIfClosed(): void {
    if (this.#isClosed) throw closedError();
  }

  async #ready(timeoutMs: number): Promise<void> {
    this.#refuseIfClosed();
    if (this.#schema?.isThere === false) await beforeSending(this.#schema.ensure(timeoutMs));
  }

  async #query(call: Pick<CallContext, 'timeoutMs'>): Promise<Query> {
    await this.#ready(call.timeoutMs);
    const statement = this.#statement(call.timeoutMs);
    return (...args) => this.#asked(statement(...args), call.timeoutMs);
  }

  /** Rejects with what the driver throws: whether the server answered is to be seen there. */
  #statement(timeoutMs: number): Query {
    return (text, values) =>
      ifSerializable(() => this.#source.borrow(timeoutMs, (connection) => connection.query({ text, name: this.#nameOf(text) }, values)));
  }

  async #asked<T>(answer: Promise<T>, timeoutMs: number): Promise<T> {
    try {
      return await answer;
    } catch (error) {
      this.#schema?.notice(error);
      throw await refusalOf(error, this.#source, timeoutMs);
    }
  }

  async #attempt(kind: LockKind, asked: readonly TableRequest[], timeoutMs: number): Promise<readonly TableAnswer<FencingToken>[]> {
    const rows = this.#rowsOf(kind);
    const plain = this.#statement(timeoutMs);
    const answers = await this.#twiceIfLate(asked, timeoutMs, ownersIn, async (requests, timed) => {
      try {
        return await rows.attempt(requests, timed, plain);
      } catch (error) {
        if (sqlState(error) !== NOT_IN_ENCODING) throw error;
        // A label is for people: better with question marks than no lock.
        const inAscii = requests.map((request) => ({ ...request, label: request.label.replaceAll(NOT_ASCII, '?') }));
        return rows.attempt(inAscii, timed, plain);
      }
    });
    return inTime(answers);
  }

  async #renew(kind: LockKind, holds: readonly TableRenewal[], timeoutMs: number): Promise<readonly (boolean | null)[]> {
    const plain = this.#statement(timeoutMs);
    const answers = await this.#twiceIfLate(holds, timeoutMs, nobody, (some, timed) => this.#rowsOf(kind).renew(some, timed, plain));
    return answers.map((answer) => (answer === 'late' ? null : answer));
  }

  async #release(kind: LockKind, holds: readonly HoldRef[], timeoutMs: number): Promise<readonly ReleaseAnswer[]> {
    const isFinal = this.#timed.beforeRelease(ownersIn(holds));
    const freed = await this.#rowsOf(kind).release(holds, this.#statement(timeoutMs));
    return freed.map(({ wasOurs, serverMs }, index) => ({ wasOurs, isFinal: isFinal(holds[index]?.owner ?? '', serverMs) }));
  }

  /** @param ownersOf who may come to hold something by it */
  #twiceIfLate<T, A>(
    items: readonly T[],
    timeoutMs: number,
    ownersOf: (items: readonly T[]) => readonly string[],
    step: (items: readonly T[], timed: TimedQuery) => Promise<readonly (A | 'late')[]>,
  ): Promise<readonly (A | 'late')[]> {
    return this.#timed.twiceIfLate(items, (some, send) =>
      step(some, (text, values) => send({ text, name: this.#nameOf(text) }, values, { timeoutMs, owners: ownersOf(some) })),
    );
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

  #waitersOf(kind: LockKind, names: readonly string[], query: Query): Promise<readonly Waiters[]> {
    return this.#waiters === null ? Promise.resolve(names.map(() => UNKNOWN)) : this.#waiters.of(kind, names, query);
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
    this.#query(BACKGROUND)
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

function announceTo(signs: LineSigns<WaitedFor>, { mode, name }: HoldRequest, line: () => WaitLine): { close(): void } {
  return signs.open(lineOf({ mode, name }), { kind: kindOf(mode), name }, line);
}

/** By what a line is found: a manager has one for each kind and name. */
function lineOf({ mode, name }: Pick<HoldRequest, 'mode' | 'name'>): string {
  return `${kindOf(mode)}:${name}`;
}

function ownersIn(requests: readonly HoldRef[]): readonly string[] {
  return requests.map(({ owner }) => owner);
}

/** What is renewed is held already. */
function nobody(): readonly string[] {
  return [];
}

function keyOf({ mode, name }: Pick<HoldRequest, 'mode' | 'name'>): string {
  return `${mode}:${name}`;
}
