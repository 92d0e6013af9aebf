import { setImmediate } from 'node:timers';
import {
  type Answer,
  type CallContext,
  type Capabilities,
  type Clock,
  type DifferentLimit,
  type FencingToken,
  type HoldRef,
  type HoldRequest,
  type LockBackend,
  type LockKind,
  type LockState,
  LockUnavailableError,
  type StoredMark,
  type WaitLine,
  readOptions,
  rule,
} from '../index.js';
import { kindOf } from '../kind-of.js';
import type { ClientLine, Waiter, Watcher } from './lock-entry.js';
import { createMemoryStore, type MemoryStore, type StoreCallKind, type StoreLink, storeLink, storeRule } from './memory-store.js';
import { isStoreClock } from './store-clock.js';

const NAME = 'memory';
/** So many states are listed in one go. */
const PAGE = 500;
// Captured at load, as the system clock's functions are: fake timers of a test must not stop a listing.
const immediate = setImmediate;

type Granted = Extract<Answer<bigint>, { granted: true }>;

/** Options of `createMemoryBackend`. */
export interface MemoryBackendOptions {
  /**
   * What to lock in. Backends with the same store exclude each other.
   * @default a new store of its own
   */
  readonly store?: MemoryStore | undefined;
  /**
   * Whether those who wait stand in one queue in the store, first come first served over all its backends; while
   * somebody is queued, a `tryAcquire` of anybody else is busy. With false they are woken in order but may be
   * overtaken by who asks at that moment.
   * @default true
   */
  readonly fair?: boolean | undefined;
}

/** The options of a memory backend and what each must be. */
export const memoryBackendRules = { store: storeRule, fair: rule.boolean };

/**
 * The in-process backend: locks between the tasks of one process, and the reference for what every backend does.
 * All capabilities; holds expire by the store's clock as in a real store. A lock is never free while its holder may
 * believe in it; nothing outlives the process.
 *
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT
 *
 * @example
 * ```ts
 * import { createLockManager } from 'holdfast';
 * import { createMemoryBackend } from 'holdfast/memory';
 *
 * const locks = createLockManager(createMemoryBackend(), { waitMs: 2_000 });
 * await locks.close();
 * ```
 */
export function createMemoryBackend(options: MemoryBackendOptions = {}): LockBackend<bigint> {
  const { store = createMemoryStore(), fair = true } = readOptions('createMemoryBackend', options, memoryBackendRules);
  return new MemoryBackend(store[storeLink], fair);
}

class MemoryBackend implements LockBackend<bigint> {
  readonly contract = 1;
  readonly name = NAME;
  readonly capabilities: Capabilities;
  readonly wait?: NonNullable<LockBackend<bigint>['wait']>;
  readonly tellsQueued = true;
  readonly subscribe?: NonNullable<LockBackend<bigint>['subscribe']>;
  readonly announce?: NonNullable<LockBackend<bigint>['announce']>;
  readonly marks: NonNullable<LockBackend<bigint>['marks']>;
  readonly #link: StoreLink;
  readonly #waits = new Set<(reason: unknown) => void>();
  readonly #watchers = new Set<Watcher>();
  readonly #lines = new Map<ClientLine, HoldRequest>();
  readonly #stopListening: () => void;
  #tellLimit: (seen: DifferentLimit) => void = () => {};
  #isClosed = false;

  constructor(link: StoreLink, fair: boolean) {
    this.#link = link;
    this.capabilities = Object.freeze({
      fencing: true,
      semaphores: true,
      reportsLimits: true,
      readWriteLocks: true,
      fair,
      push: true,
      marks: true,
      list: true,
      expiry: 'ttl',
    });
    if (fair) this.wait = (request, call) => this.#wait(request, call);
    else {
      this.subscribe = (request, wake) => this.#subscribe(request, wake);
      this.announce = (request, line) => this.#announce(request, line);
    }
    const { table } = link;
    this.marks = {
      set: (name, retentionMs, { clock }, setter) => {
        this.#follow(clock);
        return this.#call('setMark', [name], () => table.marks.set(name, retentionMs, setter));
      },
      has: (name) => this.#call('hasMark', [name], () => table.marks.has(name)),
      setEach: (requests, { clock }) => {
        this.#follow(clock);
        return this.#call('setMark', namesOf(requests), () => requests.map((each) => table.marks.set(each.name, each.retentionMs, each)));
      },
      hasEach: (names) => this.#call('hasMark', names, () => names.map((name) => table.marks.has(name))),
      get: (name) => this.#call('getMark', [name], () => table.marks.get(name)),
      delete: (name) => this.#call('deleteMark', [name], () => table.marks.delete(name)),
      list: (prefix) => this.#listMarks(prefix),
    };
    this.#stopListening = link.listen({ cut: () => this.#onCut(), restored: () => this.#onRestored() });
  }

  /** The token of permits orders nothing; core shows it to nobody. */
  attempt(requests: readonly HoldRequest[], { clock }: CallContext): Promise<readonly Answer<bigint>[]> {
    this.#follow(clock);
    return this.#call('attempt', namesOf(requests), () =>
      requests.map((request) => {
        this.#lookAtLimit(request);
        return this.#link.table.attempt(this, request);
      }),
    );
  }

  onLimitDiffers(listener: (seen: DifferentLimit) => void): void {
    this.#tellLimit = listener;
  }

  #lookAtLimit(request: HoldRequest): void {
    if (request.mode !== 'permits') return;
    const holdersLimit = this.#link.table.otherLimit(request);
    if (holdersLimit !== null) this.#tellLimit({ name: request.name, limit: request.limit, holdersLimit });
  }

  renew(holds: readonly (HoldRef & { readonly ttlMs: number })[]): Promise<readonly boolean[]> {
    return this.#call('renew', namesOf(holds), () => holds.map((hold) => this.#link.table.renew(hold)));
  }

  adopt(request: HoldRequest, fencingToken: FencingToken): Promise<boolean> {
    return this.#call('inspect', [request.name], () => this.#link.table.isGranted(request, fencingToken));
  }

  release(holds: readonly HoldRef[]): Promise<readonly boolean[]> {
    return this.#call('release', namesOf(holds), () => holds.map((hold) => this.#link.table.release(hold)));
  }

  list(prefix: string): AsyncIterable<LockState> {
    return this.#pages('list', prefix, this.#link.table.list(prefix, PAGE));
  }

  #listMarks(prefix: string): AsyncIterable<StoredMark> {
    return this.#pages('listMarks', prefix, this.#link.table.marks.list(prefix, PAGE));
  }

  /** A page a call, and other work of the process between pages: renewals do not wait for a hundred thousand states. */
  async *#pages<T>(kind: 'list' | 'listMarks', prefix: string, pages: Iterator<readonly T[], void>): AsyncIterable<T> {
    for (;;) {
      // oxlint-disable-next-line no-await-in-loop
      const page = await this.#call(kind, [prefix], () => pages.next());
      if (page.done === true) return;
      yield* page.value;
      if (page.value.length < PAGE) return;
      // oxlint-disable-next-line no-await-in-loop
      await new Promise<void>((resolve) => immediate(resolve));
    }
  }

  inspect(name: string, kind: LockKind): Promise<LockState> {
    return this.#call('inspect', [name], () => this.#link.table.inspect(name, kind));
  }

  forceRelease(name: string, kind: LockKind): Promise<boolean> {
    return this.#call('forceRelease', [name], () => this.#link.table.forceRelease(name, kind));
  }

  checkHealth(): Promise<void> {
    return this.#call('checkHealth', [], () => {});
  }

  /** Takes this backend's waiters and subscriptions out of the store; the store and its holds stay. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#stopListening();
    this.#leaveQueues(closedError());
    this.#watchers.clear();
  }

  async #call<T>(kind: StoreCallKind, names: readonly string[], perform: () => T | Promise<T>): Promise<T> {
    if (this.#isClosed) throw closedError();
    return this.#link.call({ kind, names }, perform);
  }

  #follow(clock: Clock): void {
    const own = this.#link.table.clock;
    if (isStoreClock(own)) own.follow(clock);
  }

  #wait(request: HoldRequest, call: CallContext): Promise<Granted> {
    this.#follow(call.clock);
    return this.#call('wait', [request.name], () => this.#enqueue(request, call));
  }

  /** What is granted at once needs no signal: to make one costs more than the lock. */
  #enqueue(request: HoldRequest, call: CallContext): Promise<Granted> {
    return new Promise((resolve, reject) => {
      const isEnded = (): boolean => call.isEnded ?? call.signal.aborted;
      if (isEnded()) call.signal.throwIfAborted();
      const { table } = this.#link;
      this.#lookAtLimit(request);
      let listensTo: AbortSignal | null = null;
      const leave = (): void => {
        this.#waits.delete(end);
        listensTo?.removeEventListener('abort', onAbort);
      };
      const end = (reason: unknown): void => {
        leave();
        reject(reason);
        table.withdraw(waiter);
      };
      const onAbort = (): void => end(call.signal.reason);
      const waiter: Waiter = {
        request,
        since: table.clock.now(),
        handOver(grant) {
          // One signal may end several waits, and the turn came from one that it ended a moment ago.
          if (isEnded()) return onAbort();
          leave();
          const stamp = { now: call.clock.now(), wall: call.clock.wall() };
          resolve({ granted: true, fencingToken: grant(), stamp });
        },
        dismiss: () =>
          end(new LockUnavailableError('memory: the request was released while it waited', { lockName: request.name, backend: NAME })),
      };
      this.#waits.add(end);
      table.enqueue(waiter);
      if (!this.#waits.has(end)) return;
      listensTo = call.signal;
      listensTo.addEventListener('abort', onAbort);
      call.onQueued?.();
    });
  }

  #subscribe(request: HoldRequest, wake: () => void): { close(): void } {
    const { table } = this.#link;
    const watcher: Watcher = {
      request,
      since: table.clock.now(),
      client: this,
      isWoken: false,
      // A microtask later, as a message would come: never from inside the call that frees. By a promise, which fake
      // timers leave alone.
      wake: () =>
        void Promise.resolve().then(() => {
          if (this.#watchers.has(watcher) && this.#link.isConnected) wake();
        }),
    };
    this.#watchers.add(watcher);
    if (this.#link.isConnected) table.watch(watcher);
    return {
      close: () => {
        if (this.#watchers.delete(watcher)) table.unwatch(watcher);
      },
    };
  }

  #announce(request: HoldRequest, line: () => WaitLine): { close(): void } {
    const { table, isConnected } = this.#link;
    const kind = kindOf(request.mode);
    const mine: ClientLine = { client: this, line };
    this.#lines.set(mine, request);
    if (isConnected) table.announce(request.name, kind, mine);
    return {
      close: () => {
        this.#lines.delete(mine);
        table.unannounce(request.name, kind, mine);
      },
    };
  }

  /** The store takes a client that is gone out of its queues. */
  #onCut(): void {
    this.#leaveQueues(new LockUnavailableError('memory: the connection to the store ended', { backend: NAME }));
  }

  // The last first: a turn that is given up must not go to another of this client's, which is leaving too.
  #leaveQueues(reason: LockUnavailableError): void {
    for (const end of [...this.#waits].reverse()) end(reason);
    for (const watcher of [...this.#watchers].reverse()) this.#link.table.unwatch(watcher);
    for (const [line, { name, mode }] of this.#lines) this.#link.table.unannounce(name, kindOf(mode), line);
  }

  #onRestored(): void {
    for (const [line, { name, mode }] of this.#lines) this.#link.table.announce(name, kindOf(mode), line);
    for (const watcher of this.#watchers) {
      watcher.isWoken = false;
      this.#link.table.watch(watcher);
      // Whatever was freed in between was not notified.
      watcher.wake();
    }
  }
}

function namesOf(holds: readonly { readonly name: string }[]): readonly string[] {
  return holds.map(({ name }) => name);
}

function closedError(): LockUnavailableError {
  return new LockUnavailableError('memory: the backend is closed', { backend: NAME, retryable: false, wasSent: false });
}
