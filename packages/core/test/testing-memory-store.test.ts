import type { CallContext, HoldRequest, LockBackend } from '@holdfast/core';
import { isLockError } from '@holdfast/core';
import { createMemoryBackend } from '@holdfast/core/memory';
import { createManualClock, createTestMemoryStore, type ManualClock, type TestMemoryStore } from '@holdfast/core/testing';
import { beforeEach, describe, expect, it } from 'vitest';

let clock: ManualClock;
let store: TestMemoryStore;
let backend: LockBackend<bigint>;
let other: LockBackend<bigint>;
let owners = 0;

beforeEach(() => {
  clock = createManualClock();
  store = createTestMemoryStore({ clock });
  backend = createMemoryBackend({ store });
  other = createMemoryBackend({ store: store.peer() });
});

function ask(name = 'x'): HoldRequest {
  owners += 1;
  return { name, mode: 'exclusive', ttlMs: 1_000, owner: owners.toString(16).padStart(32, '0'), label: 'l' };
}
function call(signal = new AbortController().signal): CallContext {
  return { timeoutMs: 1_000, signal, clock };
}
/** What has become of a promise so far. */
function outcome(promise: Promise<unknown> | undefined): { value: unknown } {
  const seen: { value: unknown } = { value: 'pending' };
  promise?.then(
    (value) => {
      seen.value = value;
    },
    (error: unknown) => {
      seen.value = isLockError(error) ? error.code : error;
    },
  );
  return seen;
}
async function isHeld(name = 'x'): Promise<boolean> {
  return (await other.inspect(name, 'lock', call())).held;
}

describe('a disconnected store', () => {
  it('rejects every call at once, and serves its peers', async () => {
    store.disconnect();
    expect(store.isConnected).toBe(false);
    const calls = [
      backend.attempt([ask()], call()),
      backend.renew([ask()], call()),
      backend.release([ask()], call()),
      backend.wait?.(ask(), call()),
      backend.marks?.set('m', 1, call()),
      backend.marks?.has('m', call()),
      backend.inspect('x', 'lock', call()),
      backend.forceRelease('x', 'lock', call()),
      backend.checkHealth(call()),
    ].map(outcome);
    await clock.settle();
    expect(calls.map(({ value }) => value)).toEqual(calls.map(() => 'LOCK_BACKEND_UNAVAILABLE'));
    expect(await other.attempt([ask()], call())).toMatchObject([{ granted: true }]);
    store.reconnect();
    expect(await backend.attempt([ask()], call())).toMatchObject([{ granted: false }]);
  });

  it('keeps the holds of the client that is gone, for their time', async () => {
    await backend.attempt([ask()], call());
    store.disconnect();
    const waiting = outcome(other.wait?.(ask(), call()));
    await clock.advance(999);
    expect(waiting.value).toBe('pending');
    await clock.advance(1);
    expect(waiting.value).toMatchObject({ granted: true });
  });

  it('takes the waiters of the client that is gone out of the queue', async () => {
    const held = ask();
    await other.attempt([held], call());
    const gone = [outcome(backend.wait?.(ask(), call())), outcome(backend.wait?.(ask(), call()))];
    const live = outcome(other.wait?.(ask(), call()));
    store.disconnect();
    await other.release([held], call());
    await clock.settle();
    expect(gone.map(({ value }) => value)).toEqual(['LOCK_BACKEND_UNAVAILABLE', 'LOCK_BACKEND_UNAVAILABLE']);
    expect(live.value).toMatchObject({ granted: true });
  });

  it('wakes every subscription of a client that is back, and not before', async () => {
    const plain = createMemoryBackend({ store, fair: false });
    const held = ask();
    await other.attempt([held], call());
    const wakes: number[] = [];
    plain.subscribe?.(ask(), () => wakes.push(clock.now()));
    store.disconnect();
    await other.release([held], call());
    await clock.advance(10);
    expect(wakes).toEqual([]);
    store.reconnect();
    await clock.settle();
    expect(wakes).toEqual([10]);
  });
});

describe('a silent store', () => {
  it('leaves calls pending, and answers after the reconnect that they were not performed', async () => {
    store.disconnect({ silent: true });
    const attempt = outcome(backend.attempt([ask()], call()));
    await clock.advance(60_000);
    expect(attempt.value).toBe('pending');
    store.reconnect();
    await clock.settle();
    expect(attempt.value).toBe('LOCK_BACKEND_UNAVAILABLE');
    expect(await isHeld()).toBe(false);
  });

  it('ends what is pending with a loud disconnect too', async () => {
    store.disconnect({ silent: true });
    const attempt = outcome(backend.attempt([ask()], call()));
    store.disconnect();
    await clock.settle();
    expect(attempt.value).toBe('LOCK_BACKEND_UNAVAILABLE');
  });

  it('has forgotten its waiters, and tells them only when the connection has ended', async () => {
    const held = ask();
    await other.attempt([held], call());
    const waiting = outcome(backend.wait?.(ask(), call()));
    store.disconnect({ silent: true });
    await other.release([held], call());
    await clock.settle();
    expect(waiting.value).toBe('pending');
    expect(await isHeld()).toBe(false);
    store.reconnect();
    await clock.settle();
    expect(waiting.value).toBe('LOCK_BACKEND_UNAVAILABLE');
  });
});

describe('a fault for one call', () => {
  it('fails it without performing it', async () => {
    const fault = store.failNext('attempt');
    await expect(backend.attempt([ask()], call())).rejects.toSatisfy((error) => isLockError(error, 'LOCK_BACKEND_UNAVAILABLE'));
    await fault.reached;
    expect(await isHeld()).toBe(false);
    expect(await backend.attempt([ask()], call())).toMatchObject([{ granted: true }]);
  });

  it('loses its reply after performing it', async () => {
    const error = new Error('read ECONNRESET');
    store.failNext({ call: 'attempt', name: 'x' }, { performed: true, error });
    expect(await backend.attempt([ask('y')], call())).toMatchObject([{ granted: true }]);
    await expect(backend.attempt([ask('a'), ask('x')], call())).rejects.toBe(error);
    expect([await isHeld('a'), await isHeld('x')]).toEqual([true, true]);
  });

  it('loses the reply of a grant from the queue', async () => {
    const held = ask();
    await other.attempt([held], call());
    store.failNext('wait', { performed: true });
    const waiting = outcome(backend.wait?.(ask(), call()));
    await clock.settle();
    expect(waiting.value).toBe('pending');
    await other.release([held], call());
    await clock.settle();
    expect(waiting.value).toBe('LOCK_BACKEND_UNAVAILABLE');
    expect(await isHeld()).toBe(true);
  });

  it('delays its request until it is asked to go on', async () => {
    const stalled = store.stallNext('attempt');
    const attempt = outcome(backend.attempt([ask()], call()));
    await stalled.reached;
    await clock.advance(5_000);
    expect(await isHeld()).toBe(false);
    expect(attempt.value).toBe('pending');
    stalled.resume();
    await clock.settle();
    expect(attempt.value).toMatchObject([{ granted: true }]);
    expect((await other.inspect('x', 'lock', call())).holders[0]?.remainingMs).toBe(1_000);
  });

  it('delays its reply until it is asked to go on', async () => {
    const stalled = store.stallNext('attempt', { at: 'reply' });
    const attempt = outcome(backend.attempt([ask()], call()));
    await stalled.reached;
    expect(await isHeld()).toBe(true);
    await clock.advance(5_000);
    expect(attempt.value).toBe('pending');
    stalled.resume();
    await clock.settle();
    expect(attempt.value).toMatchObject([{ granted: true }]);
    expect(await isHeld()).toBe(false);
  });

  it('goes down with its connection while it is held up', async () => {
    const [request, reply] = [store.stallNext({ name: 'a' }), store.stallNext({ name: 'b' }, { at: 'reply' })];
    const calls = [outcome(backend.attempt([ask('a')], call())), outcome(backend.attempt([ask('b')], call()))];
    await Promise.all([request.reached, reply.reached]);
    store.disconnect();
    store.reconnect();
    request.resume();
    reply.resume();
    await clock.settle();
    expect(calls.map(({ value }) => value)).toEqual(['LOCK_BACKEND_UNAVAILABLE', 'LOCK_BACKEND_UNAVAILABLE']);
    expect([await isHeld('a'), await isHeld('b')]).toEqual([false, true]);
  });

  it('can be taken back', async () => {
    store.failNext().cancel();
    const stalled = store.stallNext();
    stalled.cancel();
    expect(await backend.attempt([ask()], call())).toMatchObject([{ granted: true }]);
  });
});

describe('a store under test', () => {
  it('counts the calls of its own connection', async () => {
    await backend.attempt([ask('a'), ask('b')], call());
    await other.attempt([ask('c')], call());
    store.disconnect();
    await backend.renew([ask()], call()).catch(() => {});
    expect(store.calls).toMatchObject({ attempt: 1, renew: 1, release: 0 });
    store.resetCalls();
    expect(store.calls).toMatchObject({ attempt: 0, renew: 0 });
  });

  it('frees a name behind its holder, or all', async () => {
    const [x, y] = [ask('x'), ask('y')];
    await backend.attempt([x, y], call());
    await backend.marks?.set('m', 1_000, call());
    expect([store.evict('x'), store.evict('x'), store.evict('y', 'semaphore')]).toEqual([true, false, false]);
    expect(await backend.renew([x, y], call())).toEqual([false, true]);
    const waiting = outcome(other.wait?.(ask('y'), call()));
    expect(store.deleteAll()).toBe(2);
    await clock.settle();
    expect(waiting.value).toMatchObject({ granted: true });
    expect(await backend.marks?.has('m', call())).toBe(false);
  });
});
