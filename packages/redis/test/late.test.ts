import type { HoldRequest, LockBackend, LockKind, ReleaseAnswer } from '@holdfast/core';
import { attempt, callOf, newName, permitsOf, requestOf, take } from '@holdfast/test/backend';
import { startTcpProxy, type TcpProxy, until } from '@holdfast/test/servers';
import { Redis } from 'ioredis';
import { describe, expect, it, onTestFinished, type TestContext } from 'vitest';
import { useRedis } from './redis-harness.js';
import { createRedisBackend } from './chosen-driver.js';

const redis = useRedis();

type Finished = TestContext['onTestFinished'];

async function lateProxy(finished: Finished): Promise<TcpProxy> {
  const proxy = await startTcpProxy({ target: redis.server.port });
  finished(() => proxy.close());
  return proxy;
}

const sources = {
  'a connection of ours': (proxy: TcpProxy) => ({ url: `redis://127.0.0.1:${proxy.port}` }),
  // It sends again what was not answered.
  "a client of the user's": (proxy: TcpProxy, finished: Finished) => {
    const client = new Redis(proxy.port);
    client.on('error', () => {});
    finished(() => client.disconnect());
    return { client };
  },
} as const;

const requests = {
  lock: () => requestOf(newName(), 'exclusive', { ttlMs: 60_000 }),
  'write lock': () => requestOf(newName(), 'write', { ttlMs: 60_000 }),
  'read lock': () => requestOf(newName(), 'read', { ttlMs: 60_000 }),
  permits: () => permitsOf(newName(), 1, 1, { ttlMs: 60_000 }),
} as const;

/** As core does: repeats a release until its answer is final. */
async function freeForGood(backend: LockBackend<bigint>, request: HoldRequest): Promise<readonly ReleaseAnswer[]> {
  const answers: ReleaseAnswer[] = [];
  await until(
    'a final release',
    async () => {
      const [answer] = await backend.release([request], callOf()).catch(() => []);
      if (typeof answer === 'object') answers.push(answer);
      return answers.at(-1)?.isFinal === true;
    },
    { timeoutMs: 10_000, everyMs: 50 },
  );
  return answers;
}

const kindOf = ({ mode }: HoldRequest): LockKind => (mode === 'permits' ? 'semaphore' : mode === 'exclusive' ? 'lock' : 'read-write');

async function isHeld(request: HoldRequest): Promise<boolean> {
  const entries = await redis.admin.keys(`*${request.name}`);
  if (entries.length === 0) return false;
  const backend = createRedisBackend({ url: redis.server.url });
  try {
    return (await backend.inspect(request.name, kindOf(request), callOf())).held;
  } finally {
    await backend.close();
  }
}

/** No connection has anything in its buffer that the server has not carried out. */
async function dealtWith(): Promise<void> {
  await until('what was held up has been dealt with', async () => {
    const clients = String(await redis.admin.client('LIST')).split('\n');
    return clients.every((line) => line.includes('cmd=client') || !/qbuf=[1-9]/.test(line));
  });
}

/** A request that is held up on its way while its connection ends, and what became of the call. */
async function heldUp(proxy: TcpProxy, backend: LockBackend<bigint>, request: HoldRequest, timeoutMs: number): Promise<void> {
  await take(backend, requestOf(newName()));
  proxy.hold();
  const asked = attempt(backend, request, timeoutMs).catch((error: unknown) => error);
  await until('the request is on its way', () => proxy.held > 0);
  proxy.pass();
  proxy.cutClients();
  const outcome = await asked;
  if (outcome instanceof Error) expect(outcome).toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE', retryable: true, wasSent: true });
}

describe.each(Object.entries(sources))('a request that arrives late over %s', (_, optionsOf) => {
  const open = async (finished: Finished) => {
    const proxy = await lateProxy(finished);
    const backend = createRedisBackend(optionsOf(proxy, finished));
    finished(() => backend.close());
    return { proxy, backend };
  };

  // Each has a way, connections and a name of its own, and waits.
  it.concurrent.for(Object.entries(requests))('leaves no %s behind the release that was to undo it', async ([, newRequest], test) => {
    const { proxy, backend } = await open(test.onTestFinished);
    const request = newRequest();
    await heldUp(proxy, backend, request, 1_000);
    const [freed] = await freeForGood(backend, request);
    expect(freed?.isFinal).toBe(false);
    await proxy.deliver();
    await dealtWith();
    expect(await isHeld(request)).toBe(false);
  });

  it.concurrent.for(Object.entries(requests))(
    'and is granted in time (%s) is freed by a release that is repeated',
    async ([, newRequest], test) => {
      const { proxy, backend } = await open(test.onTestFinished);
      const request = newRequest();
      await heldUp(proxy, backend, request, 3_000);
      expect(await backend.release([request], callOf())).toMatchObject([{ isFinal: false }]);
      expect(await isHeld(request)).toBe(false);
      await proxy.deliver();
      await until('it stands', () => isHeld(request));
      await freeForGood(backend, request);
      expect(await isHeld(request)).toBe(false);
    },
  );
});

it('a release is final at once where everything was answered, also over a client that may send again', async () => {
  const client = new Redis(redis.server.port);
  onTestFinished(() => client.disconnect());
  for (const backend of [redis.backend(), redis.backend({ client })]) {
    const wanted = Object.values(requests).map((newRequest) => newRequest());
    await backend.attempt(wanted, callOf());
    expect(await backend.release(wanted, callOf())).toEqual(wanted.map(() => ({ wasOurs: true, isFinal: true })));
  }
});

it('a first request costs one round trip, as the handshake has shown the time', async () => {
  const backend = redis.backend();
  // A driver may send the text of a script that the server has not had.
  const scripts = async (): Promise<number> => {
    const stats = await redis.admin.info('commandstats');
    return [...stats.matchAll(/cmdstat_eval(?:sha)?:calls=(\d+)/g)].reduce((sum, [, calls]) => sum + Number(calls), 0);
  };
  const before = await scripts();
  await take(backend, requestOf(newName()));
  expect((await scripts()) - before).toBe(1);
});

it('a connection on which many commands fall silent is given up once, without a word of warning', async () => {
  const warnings: Error[] = [];
  const onWarning = (warning: Error): void => void warnings.push(warning);
  process.on('warning', onWarning);
  onTestFinished(() => void process.off('warning', onWarning));
  const proxy = await lateProxy(onTestFinished);
  const backend = createRedisBackend({ url: `redis://127.0.0.1:${proxy.port}` });
  await take(backend, requestOf(newName()));
  proxy.hold();
  const asked = Array.from({ length: 24 }, async () => {
    await new Promise(setImmediate);
    return backend.inspect(newName(), 'lock', callOf(300)).catch((error: unknown) => error);
  });
  for (const outcome of await Promise.all(asked)) expect(outcome).toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE' });
  proxy.pass();
  await new Promise(setImmediate);
  await until('it works again', async () => (await attempt(backend, requestOf(newName()))).granted);
  await backend.close();
  expect(warnings).toEqual([]);
});
