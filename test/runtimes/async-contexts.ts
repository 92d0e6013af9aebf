import { strict as assert } from 'node:assert';
import { AsyncLocalStorage } from 'node:async_hooks';
import {
  type Answer,
  type Clock,
  createLockManager,
  type LockBackend,
  type LockManager,
  LockUnavailableError,
  systemClock,
} from '@holdfast/core';
import { createMemoryBackend, createMemoryLockManager } from '@holdfast/core/memory';

// In whose async context what runs: run by the test on every Node that there is, with --expose-gc. Ends with 1 and says why.

const contexts = new AsyncLocalStorage<{ readonly id: string }>();
const where = (): string => contexts.getStore()?.id ?? 'none';
const within = <T>(id: string, task: () => T): T => contexts.run({ id }, task);
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

async function until(what: string, isSo: () => boolean): Promise<void> {
  const end = performance.now() + 10_000;
  while (!isSo()) {
    assert.ok(performance.now() < end, `within ten seconds: ${what}`);
    // oxlint-disable-next-line no-await-in-loop
    await sleep(5);
  }
}

/** A whole backend that notes where it is called, and a clock that notes where its timers are set. */
function observed(): { readonly manager: (ttlMs: number) => LockManager; readonly calls: string[]; readonly timers: string[] } {
  const calls: string[] = [];
  const timers: string[] = [];
  const whole = createMemoryBackend({ fair: false });
  const note = <A extends readonly unknown[], R>(what: string, call: (...args: A) => R): ((...args: A) => R) => {
    return (...args) => {
      calls.push(`${what} ${where()}`);
      return call(...args);
    };
  };
  const subscribe = whole.subscribe;
  const backend: LockBackend = {
    contract: 1,
    name: whole.name,
    capabilities: whole.capabilities,
    attempt: note('attempt', (requests, call): Promise<readonly Answer[]> => whole.attempt(requests, call)),
    renew: note('renew', (holds, call) => whole.renew(holds, call)),
    release: note('release', (holds, call) => whole.release(holds, call)),
    inspect: note('inspect', (name, kind, call) => whole.inspect(name, kind, call)),
    forceRelease: (name, kind, call) => whole.forceRelease(name, kind, call),
    checkHealth: (call) => whole.checkHealth(call),
    close: () => whole.close(),
    ...(subscribe === undefined ? {} : { subscribe: note('subscribe', (request, wake) => subscribe(request, wake)) }),
  };
  const clock: Clock = {
    ...systemClock,
    setTimer(delayMs, fire) {
      timers.push(where());
      return systemClock.setTimer(delayMs, fire);
    },
  };
  return {
    manager: (ttlMs) =>
      createLockManager(backend, { clock, ttlMs, onEvent: ({ type, name }) => calls.push(`${type} of ${name} ${where()}`) }),
    calls,
    timers,
  };
}

async function backgroundRunsInNoContext(): Promise<void> {
  const { manager, calls, timers } = observed();
  const locks = manager(300);
  const lease = await within('A', () => locks.acquire('a'));
  const waiting = within('B', () => locks.acquire('a', { waitMs: 5_000 }));
  await until('a renewal', () => calls.some((call) => call.startsWith('renew ')));
  await within('C', () => lease.release());
  const second = await waiting;
  await within('B', () => second.release());
  const background = calls.filter((call) => /^(attempt|renew|release|inspect|subscribe) /.test(call));
  assert.deepEqual([...new Set(background.map((call) => call.split(' ').at(-1)))], ['none'], background.join(', '));
  assert.deepEqual([...new Set(timers)], ['none']);
  for (const expected of ['granted of a A', 'waiting of a B', 'granted of a B', 'released of a A', 'released of a B']) {
    assert.ok(calls.includes(expected), `${expected} among ${calls.join(', ')}`);
  }
  await locks.close();
}

async function lossIsHeardWhereTheLeaseWasTaken(): Promise<void> {
  const { manager, calls } = observed();
  const locks = manager(30_000);
  // The other lease's timer is set first: whose timer fires must not matter.
  const other = await within('A', () => locks.acquire('a', { renew: false, ttlMs: 400 }));
  const lease = await within('D', () => locks.acquire('d', { renew: false, ttlMs: 450 }));
  const heard: string[] = [];
  // Registered elsewhere: an abort is heard in the context of the lease.
  within('E', () => lease.signal.addEventListener('abort', () => heard.push(where())));
  await until('the loss of both', () => other.signal.aborted && lease.signal.aborted);
  assert.deepEqual(heard, ['D']);
  assert.ok(calls.includes('lost of d D') && calls.includes('lost of a A'), calls.join(', '));
  await locks.close();
}

async function callersKeepTheirs(): Promise<void> {
  const locks = createMemoryLockManager({ ttlMs: 1_000 });
  await within('F', async () => {
    await locks.withLock('f', async () => {
      assert.equal(where(), 'F');
      await sleep(1);
      assert.equal(where(), 'F');
    });
    assert.equal(where(), 'F');
    assert.equal(await locks.tryAcquire('f').then(() => where()), 'F');
  });
  await locks.close();
}

async function nothingKeepsAContextThatIsOver(): Promise<void> {
  const { gc } = globalThis;
  assert.ok(gc !== undefined, 'run with --expose-gc');
  const { manager } = observed();
  const locks = manager(600);
  const ref = await (async () => {
    let store: { id: string; body: Uint8Array } | null = { id: 'G', body: new Uint8Array(1_000_000) };
    const weak = new WeakRef(store);
    const lease = await contexts.run(store, () => locks.acquire('g'));
    await contexts.run(store, () => lease.release());
    await contexts.run(store, () => locks.withLock('g', () => {}));
    store = null;
    return weak;
  })();
  // Somebody else's lease keeps the manager's timers and connections in use.
  const lease = await within('H', () => locks.acquire('h'));
  await until('the context of the first request is collected', () => {
    gc();
    return ref.deref() === undefined;
  });
  await lease.release();
  await locks.close();
}

async function doubtKeepsNoContext(): Promise<void> {
  const { gc } = globalThis;
  assert.ok(gc !== undefined, 'run with --expose-gc');
  const backend = createMemoryBackend();
  let isDown = true;
  const down = (): Promise<never> => Promise.reject(new LockUnavailableError('down', { backend: 'memory' }));
  const release: LockBackend['release'] = backend.release.bind(backend);
  const locks = createLockManager(
    Object.assign(backend, { release: (...asked: Parameters<typeof release>) => (isDown ? down() : release(...asked)) }),
  );
  const ref = await (async () => {
    let store: { id: string; body: Uint8Array } | null = { id: 'I', body: new Uint8Array(1_000_000) };
    const weak = new WeakRef(store);
    const lease = await locks.acquire('i');
    await contexts.run(store, () => assert.rejects(lease.release()));
    store = null;
    return weak;
  })();
  await until('the context of the release is collected, though the hold is in doubt', () => {
    gc();
    return ref.deref() === undefined;
  });
  isDown = false;
  await locks.close();
}

for (const check of [
  backgroundRunsInNoContext,
  lossIsHeardWhereTheLeaseWasTaken,
  callersKeepTheirs,
  nothingKeepsAContextThatIsOver,
  doubtKeepsNoContext,
]) {
  // oxlint-disable-next-line no-await-in-loop
  await check();
}
process.stdout.write(`contexts are right on Node ${process.versions.node}\n`);
