import { type Clock, type OptionRule, readOptions } from '../index.js';
import { LockTable } from './lock-table.js';
import { StoreClock } from './store-clock.js';
import { warnOfThread } from './warn-of-thread.js';

/** The steps that a backend asks of its store. */
export type StoreCallKind =
  | 'attempt'
  | 'renew'
  | 'release'
  | 'wait'
  | 'setMark'
  | 'hasMark'
  | 'getMark'
  | 'deleteMark'
  | 'listMarks'
  | 'list'
  | 'inspect'
  | 'forceRelease'
  | 'checkHealth';

/** One call on its way to the store. */
export interface StoreCall {
  readonly kind: StoreCallKind;
  /** The names that it is about; a batch has several. */
  readonly names: readonly string[];
}

/** Notified when a connection is cut and when it is back. */
export interface LinkListener {
  cut(): void;
  restored(): void;
}

/** A backend's way to the data: what a connection is to a real store. Tests put their faults here. */
export interface StoreLink {
  readonly table: LockTable;
  readonly isConnected: boolean;
  /** Asks the store: `perform` is the indivisible step, the promise its answer. */
  call<T>(call: StoreCall, perform: () => T | Promise<T>): Promise<T>;
  /** Returns a function that ends it. */
  listen(listener: LinkListener): () => void;
}

/** Where a store keeps its link, out of the way of those who only hand the store on. */
export const storeLink: unique symbol = Symbol.for('@holdfast/core:store-link:1');

/**
 * A store in this process. Backends that are made with the same store are peers: they exclude each other as clients
 * of one server would.
 */
export interface MemoryStore {
  /** The store's clock, which alone decides when a hold expires. */
  readonly clock: Clock;
  /** How backends reach the data; for `createMemoryBackend` alone. */
  readonly [storeLink]: StoreLink;
}

/** Options of `createMemoryStore`. */
export interface MemoryStoreOptions {
  /** @default that of the first manager that asks for a hold or sets a mark */
  readonly clock?: Clock | undefined;
}

export const clockRule: OptionRule = (value) =>
  typeof value === 'object' &&
  value !== null &&
  ['now', 'wall', 'setTimer', 'random'].every((method) => typeof (value as Record<string, unknown>)[method] === 'function')
    ? null
    : 'must be a Clock: now, wall, setTimer and random';

export const storeRule: OptionRule = (value) =>
  typeof value === 'object' && value !== null && storeLink in value ? null : 'must be a store that createMemoryStore made';

/**
 * Makes an empty store. `createTestMemoryStore` of `@holdfast/core/testing` makes one that can also be cut off and disturbed. In a worker
 * thread it says once, by a process warning (`HOLDFAST_MEMORY_THREAD`), that it excludes this thread only.
 *
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT
 */
export function createMemoryStore(options: MemoryStoreOptions = {}): MemoryStore {
  const { clock = new StoreClock() } = readOptions('createMemoryStore', options, { clock: clockRule });
  warnOfThread();
  const table = new LockTable(clock);
  return { clock: table.clock, [storeLink]: directLink(table) };
}

/** The link of a store without faults: every call arrives, and is answered. */
function directLink(table: LockTable): StoreLink {
  return {
    table,
    isConnected: true,
    call: async (_call, perform) => perform(),
    listen: () => () => {},
  };
}
