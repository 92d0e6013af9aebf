import { type Clock, type LockKind, LockUnavailableError, readOptions } from '../index.js';
import { LockTable } from '../memory/lock-table.js';
import {
  clockRule,
  type MemoryStore,
  type MemoryStoreOptions,
  type StoreCall,
  type StoreCallKind,
  storeLink,
} from '../memory/memory-store.js';
import { StoreClock } from '../memory/store-clock.js';
import { FaultyLink, type PlannedFault } from './faulty-link.js';

/** Which call a fault is for: the next of this kind, the next about this name, or both. Left out: the next of all. */
export interface CallFilter {
  /** Of which kind. @default any */
  readonly call?: StoreCallKind | undefined;
  /** About which name. @default any */
  readonly name?: string | undefined;
}

/**
 * A fault that waits for its call.
 *
 * @example
 * ```ts
 * import { createMemoryLockManager } from 'holdfast/memory';
 * import { createTestMemoryStore } from 'holdfast/testing';
 *
 * const store = createTestMemoryStore();
 * const locks = createMemoryLockManager({ store });
 * const fault = store.failNext('attempt', { performed: true }); // the store takes the lock, and the reply is lost
 * await locks.tryAcquire('invoice:42').catch((error: unknown) => console.log(error));
 * await fault.reached;
 * await locks.close();
 * ```
 */
export interface InjectedFault {
  /** Resolves when a call has met the fault. */
  readonly reached: Promise<void>;
  /** Takes the fault away if no call has met it. */
  cancel(): void;
}

/**
 * A call that is held up.
 *
 * @example
 * ```ts
 * import { createMemoryLockManager } from 'holdfast/memory';
 * import { createTestMemoryStore } from 'holdfast/testing';
 *
 * const store = createTestMemoryStore();
 * const locks = createMemoryLockManager({ store });
 * const stalled = store.stallNext({ call: 'attempt', name: 'invoice:42' });
 * const lease = locks.tryAcquire('invoice:42');
 * await stalled.reached;
 * stalled.resume(); // only now the store sees the request
 * await (await lease)?.release();
 * await locks.close();
 * ```
 */
export interface StalledCall extends InjectedFault {
  /** Lets the call go on. */
  resume(): void;
}

/**
 * A store in this process that can be lost, for tests of "what does my code do when the lock store is gone?".
 *
 * It is one client's connection to the data: `peer()` is another, with faults of its own, so that one manager can be
 * cut off while others go on. `createMemoryBackend({ store })` takes either.
 */
export interface TestMemoryStore extends MemoryStore {
  /** Whether calls reach the data at present. */
  readonly isConnected: boolean;
  /**
   * Cuts the connection. Calls reject with LOCK_BACKEND_UNAVAILABLE at once, those under way too. With `silent` it is a
   * network that swallows everything: calls stay pending until `reconnect` or a loud `disconnect`, and then reject
   * without having been performed; the answers of those under way are lost.
   */
  disconnect(options?: { readonly silent?: boolean | undefined }): void;
  /** A new connection to the same data. What was pending on the old one rejects. */
  reconnect(): void;
  /** Another client's connection to the same data. */
  peer(): TestMemoryStore;

  /**
   * The next call that fits rejects with `error` (default: LOCK_BACKEND_UNAVAILABLE). With `performed` the store has acted: a lost
   * reply. Without, it never saw the request.
   */
  failNext(
    filter?: StoreCallKind | CallFilter,
    options?: { readonly error?: Error | undefined; readonly performed?: boolean | undefined },
  ): InjectedFault;
  /**
   * Holds up the next call that fits: its request, which the store sees only after `resume()` (the default), or its
   * reply, when the store has already acted. Never resumed, it is a reply that never comes.
   */
  stallNext(filter?: StoreCallKind | CallFilter, options?: { readonly at?: 'request' | 'reply' | undefined }): StalledCall;
  /** How many calls of each kind came over this connection. A batch is one call. */
  readonly calls: Readonly<Record<StoreCallKind, number>>;
  /** Counts `calls` from zero again. */
  resetCalls(): void;

  /** Frees a name behind its holder's back, as an operator would. Resolves at once; true when it was held. */
  evict(name: string, kind?: LockKind): boolean;
  /** Forgets every hold and mark, as a flush of the store would; how many there were. Fencing tokens go on rising. */
  deleteAll(): number;
  /** How many names and marks the store keeps in memory: 0 when nothing was left behind. */
  readonly size: number;
}

/**
 * Makes an empty store that a test can disturb.
 *
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT
 *
 * @example
 * ```ts
 * import { createMemoryLockManager } from 'holdfast/memory';
 * import { createTestMemoryStore } from 'holdfast/testing';
 *
 * const store = createTestMemoryStore();
 * const locks = createMemoryLockManager({ store });
 * store.disconnect();
 * await locks.tryAcquire('invoice:42').catch((error: unknown) => console.log(error)); // LOCK_BACKEND_UNAVAILABLE, and not null
 * store.reconnect();
 * await locks.close();
 * ```
 */
export function createTestMemoryStore(options: MemoryStoreOptions = {}): TestMemoryStore {
  const { clock = new StoreClock() } = readOptions('createTestMemoryStore', options, { clock: clockRule });
  return new FaultyStore(new LockTable(clock));
}

class FaultyStore implements TestMemoryStore {
  readonly clock: Clock;
  readonly [storeLink]: FaultyLink;
  readonly #link: FaultyLink;

  constructor(table: LockTable) {
    this.clock = table.clock;
    this.#link = new FaultyLink(table);
    this[storeLink] = this.#link;
  }

  get isConnected(): boolean {
    return this.#link.isConnected;
  }
  get calls(): Readonly<Record<StoreCallKind, number>> {
    return this.#link.calls;
  }
  get size(): number {
    return this.#link.table.size + this.#link.table.marks.size;
  }

  disconnect(options: { readonly silent?: boolean | undefined } = {}): void {
    this.#link.cut(options.silent ?? false);
  }
  reconnect(): void {
    this.#link.restore();
  }
  peer(): TestMemoryStore {
    return new FaultyStore(this.#link.table);
  }
  resetCalls(): void {
    this.#link.resetCalls();
  }

  failNext(
    filter: StoreCallKind | CallFilter = {},
    options: { readonly error?: Error | undefined; readonly performed?: boolean | undefined } = {},
  ): InjectedFault {
    const error = options.error ?? new LockUnavailableError('memory: an injected fault', { backend: 'memory' });
    const reached = createGate();
    return this.#plan(reached.passed, {
      matches: matcher(filter),
      failure: { error, performed: options.performed ?? false },
      onRequest: () => {
        reached.open();
        return undefined;
      },
    });
  }

  stallNext(filter: StoreCallKind | CallFilter = {}, options: { readonly at?: 'request' | 'reply' | undefined } = {}): StalledCall {
    const reached = createGate();
    const resumed = createGate();
    const stall = (): Promise<void> => {
      reached.open();
      return resumed.passed;
    };
    const at = options.at ?? 'request';
    const fault = this.#plan(reached.passed, {
      matches: matcher(filter),
      ...(at === 'request' ? { onRequest: stall } : { onReply: stall }),
    });
    return { ...fault, resume: () => resumed.open() };
  }

  evict(name: string, kind: LockKind = 'lock'): boolean {
    return this.#link.table.forceRelease(name, kind);
  }
  deleteAll(): number {
    return this.#link.table.deleteAll();
  }

  #plan(reached: Promise<void>, fault: PlannedFault): InjectedFault {
    const { faults } = this.#link;
    faults.add(fault);
    return { reached, cancel: () => void faults.delete(fault) };
  }
}

function matcher(filter: StoreCallKind | CallFilter): (call: StoreCall) => boolean {
  const { call: kind, name }: CallFilter = typeof filter === 'string' ? { call: filter } : filter;
  return (call) => (kind === undefined || call.kind === kind) && (name === undefined || call.names.includes(name));
}

/** A promise and what resolves it; `Promise.withResolvers` came with Node 22. */
function createGate(): { readonly passed: Promise<void>; open(): void } {
  let open = (): void => {};
  const passed = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { passed, open: () => open() };
}
