import {
  type AnyLockError,
  type CallContext,
  createLockManager,
  isLockError,
  type LockBackend,
  type LockErrorCode,
  type LockEvent,
  type LockKind,
  type LockManager,
  type LockState,
  type ManagerOptions,
} from '@holdfast/core';
import { createMemoryBackend } from '@holdfast/core/memory';
import { createManualClock, createTestMemoryStore, type ManualClock, type TestMemoryStore } from '@holdfast/core/testing';
import { expect } from 'vitest';

/** One manager, a peer, and an onlooker, each with a connection of its own to one store, on one clock that tests move. */
export interface World {
  readonly clock: ManualClock;
  readonly store: TestMemoryStore;
  /** The peer's connection to it. */
  readonly peerStore: TestMemoryStore;
  readonly manager: LockManager<bigint>;
  readonly peer: LockManager<bigint>;
  readonly events: LockEvent[];
  /** What the store itself says, whatever the manager's connection is like. */
  state(name?: string, kind?: LockKind): Promise<LockState>;
  isHeld(name?: string, kind?: LockKind): Promise<boolean>;
}

/** Both ways to wait: enrolled in the store's queue, or woken and asking again. */
export const waitings = [
  { waiting: 'a native queue', fair: true },
  { waiting: 'subscriptions', fair: false },
] as const;

export function createWorld(options: ManagerOptions & { readonly fair?: boolean } = {}): World {
  const { fair = true, ...managerOptions } = options;
  const clock = createManualClock();
  const store = createTestMemoryStore({ clock });
  const peerStore = store.peer();
  const events: LockEvent[] = [];
  const open = (own: TestMemoryStore, more: ManagerOptions): LockManager<bigint> =>
    createLockManager(createMemoryBackend({ store: own, fair }), { clock, ...managerOptions, ...more });
  const onlooker: LockBackend<bigint> = createMemoryBackend({ store: store.peer() });
  const call: CallContext = { timeoutMs: 1_000, signal: new AbortController().signal, clock };
  const state = (name = 'x', kind: LockKind = 'lock'): Promise<LockState> => onlooker.inspect(name, kind, call);
  return {
    clock,
    store,
    peerStore,
    manager: open(store, { label: 'mine', onEvent: managerOptions.onEvent ?? ((event) => events.push(event)) }),
    peer: open(peerStore, { label: 'peer', onEvent: undefined }),
    events,
    state,
    isHeld: async (name, kind) => (await state(name, kind)).held,
  };
}

/** What has become of a promise so far. Never leaves a rejection unhandled. */
export interface Outcome<T> {
  status: 'pending' | 'fulfilled' | 'rejected';
  value: T | undefined;
  error: unknown;
  code: LockErrorCode | null;
}

export function outcomeOf<T>(promise: Promise<T>): Outcome<T> {
  const outcome: Outcome<T> = { status: 'pending', value: undefined, error: undefined, code: null };
  promise.then(
    (value) => {
      outcome.status = 'fulfilled';
      outcome.value = value;
    },
    (error: unknown) => {
      outcome.status = 'rejected';
      outcome.error = error;
      outcome.code = isLockError(error) ? error.code : null;
    },
  );
  return outcome;
}

/** The error of this code that the promise rejects with. */
export async function rejection<T>(promise: Promise<T>): Promise<AnyLockError> {
  const error: unknown = await promise.then(
    () => new Error('it did not reject'),
    (reason: unknown) => reason,
  );
  if (!isLockError(error)) throw error;
  return error;
}

/** Closes both managers and looks for what they left: timers, names in the store. */
export async function expectNothingLeft({ manager, peer, clock, store }: World): Promise<void> {
  store.reconnect();
  const closed = outcomeOf(Promise.all([manager.close(), peer.close()]));
  await clock.advance(10_000);
  expect(closed.status).toBe('fulfilled');
  expect({ names: store.size, timers: clock.pendingTimers }).toEqual({ names: 0, timers: 0 });
}
