import { randomUUID } from 'node:crypto';
import {
  type Answer,
  type CallContext,
  type Capabilities,
  type HolderState,
  type HoldRef,
  type HoldRequest,
  type LockBackend,
  type LockKind,
  type LockState,
  LockUnavailableError,
} from '@holdfast/core';
import { ConnectionFault } from '@holdfast/core/backend';
import { FreedWatch } from './freed-watch.js';
import { Gatherer } from './gatherer.js';
import { Gateway, type KeyValue, type Reply, unavailable } from './gateway.js';
import { after, holderOf, holdKey, holdsFrom, holdsOf, type KeyRange, kindOf, nameOf, writerKey } from './keys.js';
import { NameGroup } from './name-group.js';
import { closed, type Pass, Session } from './session.js';

export interface EtcdBackendOptions {
  /** The servers of one cluster: `http://` or `https://`, host and port. One is enough; the others are for when it does not answer. */
  readonly urls: readonly string[];
  /**
   * After how many seconds of silence etcd frees what this client holds. A client that hears nothing of etcd gives up sooner, after two thirds.
   * @default 15
   */
  readonly ttlSeconds?: number;
}

/** Operations in one transaction: what etcd allows by default. */
const MOST_OPERATIONS = 128;
const PAGE = 500;

/**
 * Locks in etcd, through its JSON gateway and without a driver: locks, semaphores and read/write locks that end with the client's
 * session, with the revision of etcd as the fencing token.
 *
 * A hold is a key below its name, attached to the lease of the session. To take one is a transaction: "if nothing was added below the
 * name since I have looked, then add mine". The first look is a guess, that nothing is there; so what is free costs one round trip.
 */
export class EtcdBackend implements LockBackend<bigint> {
  readonly contract = 1;
  readonly name = 'etcd';
  readonly capabilities: Capabilities = {
    fencing: true,
    semaphores: true,
    readWriteLocks: true,
    fair: false,
    push: true,
    marks: false,
    list: true,
    expiry: 'session',
  };
  readonly #gateway: Gateway;
  readonly #session: Session;
  readonly #watch: FreedWatch;
  readonly #client = randomUUID();
  readonly #attempts = new Gatherer<HoldRequest, Answer<bigint>>((requests, call) => this.#attempt(requests, call));
  readonly #releases = new Gatherer<HoldRef, boolean>((holds, call) => this.#release(holds, call));
  readonly #looks = new Gatherer<KeyRange, readonly KeyValue[]>((ranges, call) => this.#look(ranges, call));
  #isClosed = false;

  constructor({ urls, ttlSeconds = 15 }: EtcdBackendOptions) {
    if (!Number.isSafeInteger(ttlSeconds) || ttlSeconds < 1)
      throw new TypeError(`ttlSeconds is ${ttlSeconds}; it must be a whole number, 1 or more`);
    this.#gateway = new Gateway(urls);
    this.#session = new Session(this.#gateway, ttlSeconds);
    this.#watch = new FreedWatch(this.#gateway);
  }

  get sessionMs(): number {
    return this.#session.believedMs;
  }

  attempt(requests: readonly HoldRequest[], call: CallContext): Promise<readonly Answer<bigint>[]> {
    return this.#attempts.ask(requests, call);
  }

  async renew(holds: readonly HoldRef[], call: CallContext): Promise<readonly boolean[]> {
    // The keep-alive is the session's. What is to be seen is whether each hold is still there, and is of this session.
    const { lease } = await this.#session.pass(call);
    const found = await this.#look(
      holds.map((hold) => ({ key: keyOf(hold), keys_only: true })),
      call,
    );
    return found.map(([hold]) => hold?.lease === lease);
  }

  release(holds: readonly HoldRef[], call: CallContext): Promise<readonly boolean[]> {
    return this.#releases.ask(holds, call);
  }

  subscribe(request: HoldRequest, wake: () => void): { close(): void } {
    const watched = this.#watch.open(request, wake);
    return {
      close: () => {
        watched.close();
        // A writer that gives up lets the readers behind it in.
        if (request.mode === 'write' && !this.#watch.isOpen(request)) this.#forgetWriter(request.name);
      },
    };
  }

  async inspect(name: string, kind: LockKind, call: CallContext): Promise<LockState> {
    const [kvs = []] = await this.#looks.ask([holdsOf(kind, name)], call);
    return stateOf(name, kind, kvs.map(holderOf));
  }

  async *list(prefix: string, call: CallContext): AsyncIterable<LockState> {
    for (const kind of ['lock', 'semaphore', 'read-write'] as const) {
      let range = holdsFrom(kind, prefix);
      let [current, holders]: [string | null, HolderState[]] = [null, []];
      for (;;) {
        const { kvs = [], more } = await this.#post('kv/range', { ...range, limit: PAGE }, call);
        for (const kv of kvs) {
          const name = nameOf(kv.key)?.name ?? null;
          if (current !== null && name !== current) {
            yield stateOf(current, kind, holders);
            holders = [];
          }
          current = name;
          holders.push(holderOf(kv));
        }
        const last = kvs.at(-1);
        if (more !== true || last === undefined) break;
        range = { ...range, key: after(last.key) };
      }
      if (current !== null) yield stateOf(current, kind, holders);
    }
  }

  async forceRelease(name: string, kind: LockKind, call: CallContext): Promise<boolean> {
    const { deleted = '0' } = await this.#post('kv/deleterange', holdsOf(kind, name), call);
    return Number(deleted) > 0;
  }

  async checkHealth(call: CallContext): Promise<void> {
    const { errors = [] } = await this.#post('maintenance/status', {}, call);
    if (errors.length > 0) throw new LockUnavailableError(`etcd: it reports ${errors.join(', ')}`, { backend: this.name });
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#watch.close();
    await this.#session.close();
    this.#gateway.close();
  }

  async #attempt(requests: readonly HoldRequest[], call: CallContext): Promise<readonly Answer<bigint>[]> {
    const waiting = requests.filter((request) => this.#watch.isOpen(request));
    if (waiting.length > 0) await this.#watch.ready(call);
    const answers = new Map<HoldRequest, Answer<bigint>>();
    // All are answered, or can take no effect any more, when this rejects.
    const outcomes = await Promise.allSettled(NameGroup.parts(NameGroup.of(requests)).map((groups) => this.#take(groups, answers, call)));
    for (const outcome of outcomes) if (outcome.status === 'rejected') throw outcome.reason;
    const writers = waiting.filter((request) => request.mode === 'write' && answers.get(request)?.granted === false);
    await Promise.all(writers.map((request) => this.#noteWriter(request, call)));
    return requests.map((request) => answers.get(request) ?? { granted: false, remainingMs: null });
  }

  async #release(holds: readonly HoldRef[], call: CallContext): Promise<readonly boolean[]> {
    const replies = await this.#each(
      holds.map((hold) => ({ request_delete_range: { key: keyOf(hold) } })),
      call,
    );
    return replies.map(({ response_delete_range }) => Number(response_delete_range?.deleted ?? 0) > 0);
  }

  async #look(ranges: readonly object[], call: CallContext): Promise<readonly (readonly KeyValue[])[]> {
    const replies = await this.#each(
      ranges.map((range) => ({ request_range: range })),
      call,
    );
    return replies.map(({ response_range }) => response_range?.kvs ?? []);
  }

  /** Asks for all of them in one step, and once more for those whose name has changed meanwhile, until each is answered. */
  async #take(groups: readonly NameGroup[], answers: Map<HoldRequest, Answer<bigint>>, call: CallContext): Promise<void> {
    const end = call.clock.now() + call.timeoutMs;
    for (;;) {
      for (const busy of groups.flatMap((group) => group.takeBusy())) answers.set(busy, { granted: false, remainingMs: null });
      const open = groups.filter((group) => !group.isAnswered);
      if (open.length === 0) return;
      if (call.clock.now() > end) throw unavailable(new ConnectionFault('silent'));
      const pass = await this.#session.pass(call);
      const reply = await this.#passing(
        pass,
        open.map((group) => ({ request_txn: group.transaction(pass.lease) })),
        call,
      );
      const revision = BigInt(reply.header?.revision ?? '');
      for (const [index, group] of open.entries()) {
        const own = reply.responses?.[index]?.response_txn;
        // Without the pass nothing was looked at: once more, with another.
        if (own === undefined) continue;
        for (const [request, granted] of group.learn(own, revision)) {
          answers.set(request, { granted: true, fencingToken: (request.mode === 'permits' ? null : granted) as bigint });
        }
      }
    }
  }

  /** Readers who come now stand behind this writer. */
  async #noteWriter(request: HoldRequest, call: CallContext): Promise<void> {
    const pass = await this.#session.pass(call);
    const key = writerKey(request.name, this.#client);
    await this.#passing(pass, [{ request_put: { key, lease: pass.lease } }], call);
    if (!this.#watch.isOpen(request)) this.#forgetWriter(request.name);
  }

  #forgetWriter(name: string): void {
    void this.#session.certainly('kv/deleterange', { key: writerKey(name, this.#client) }).catch(() => {});
  }

  /** Operations that take effect only with the pass. When this rejects, they can take none any more. */
  async #passing(pass: Pass, operations: readonly object[], call: CallContext): Promise<Reply> {
    const compare = [{ key: pass.key, target: 'VERSION', result: 'GREATER', version: '0' }];
    try {
      const reply = await this.#post('kv/txn', { compare, success: operations }, call);
      if (reply.succeeded !== true) this.#session.isGone(pass);
      return reply;
    } catch (error) {
      await this.#session.retire(pass);
      throw error;
    }
  }

  /** As many operations at a time as fit into a request. */
  async #each(operations: readonly object[], call: CallContext): Promise<readonly Response[]> {
    const parts = Array.from({ length: Math.ceil(operations.length / MOST_OPERATIONS) }, (_, i) =>
      operations.slice(i * MOST_OPERATIONS, (i + 1) * MOST_OPERATIONS),
    );
    const replies = await Promise.all(parts.map((success) => this.#post('kv/txn', { success }, call)));
    return replies.flatMap(({ responses = [] }) => responses);
  }

  async #post(path: string, body: unknown, call: CallContext): Promise<Reply> {
    if (this.#isClosed) throw closed();
    return this.#gateway.post(path, body, call);
  }
}

type Response = NonNullable<Reply['responses']>[number];

function keyOf({ name, owner, mode }: HoldRef): string {
  return holdKey(kindOf(mode), name, owner);
}

function stateOf(name: string, kind: LockKind, holders: readonly HolderState[]): LockState {
  return { name, kind, held: holders.length > 0, holders, waiters: null };
}
