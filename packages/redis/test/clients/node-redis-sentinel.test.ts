import { createLockManager } from '@holdfast/core';
import { createRedisBackend, createRedisLockManager, type NodeRedisSentinel } from '@holdfast/redis';
import { attempt, free, newName, requestOf, take } from '@holdfast/test/backend';
import { startRedisWithSentinels, until } from '@holdfast/test/servers';
import { createSentinel } from 'redis';
import { createSentinel as createSentinel5 } from 'redis-5';
import { describe, expect, it, onTestFinished } from 'vitest';

interface Settings {
  readonly name: string;
  readonly sentinelRootNodes: { host: string; port: number }[];
}

type Client = NodeRedisSentinel & { on(event: 'error', listener: () => void): unknown; connect(): Promise<unknown>; destroy(): unknown };

describe.each([
  ['5', (settings: Settings): Client => createSentinel5(settings)],
  ['6', (settings: Settings): Client => createSentinel(settings)],
] as const)("a user's sentinel client of redis %s", (_, create) => {
  /** Sentinels, and a client to the master that they name. */
  async function connected() {
    const servers = await startRedisWithSentinels();
    onTestFinished(() => servers.close());
    const [, list = '', name = ''] = /^redis\+sentinel:\/\/([^/]+)\/(.+)$/.exec(servers.url) ?? [];
    const sentinelRootNodes = list.split(',').map((address) => {
      const [host = '', port] = address.split(':');
      return { host, port: Number(port) };
    });
    const client = create({ name, sentinelRootNodes });
    client.on('error', () => {});
    await client.connect();
    onTestFinished(async () => void (await client.destroy()));
    return { servers, client };
  }

  it('leads to the master, and to the new one after a fail-over, with rising tokens; waiters listen there too', async () => {
    const { servers, client } = await connected();
    const backend = createRedisBackend({ client });
    onTestFinished(() => backend.close());
    const request = requestOf(newName());
    const first = await take(backend, request);
    await free(backend, request);
    await servers.primary.kill();
    let token = 0n;
    const failures: unknown[] = [];
    const next = requestOf(request.name);
    // The sentinel may have noticed before the first of these is over: then nothing is reported.
    await until(
      'the new master is found',
      async () => {
        const answer = await attempt(backend, next, 1000).catch((error: unknown) => {
          failures.push(error);
          return null;
        });
        if (answer?.granted === true) token = answer.fencingToken;
        return token > 0n;
      },
      { timeoutMs: 20_000, everyMs: 100 },
    );
    for (const failure of failures) expect(failure).toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE', retryable: true });
    expect(token).toBeGreaterThan(first.fencingToken);
    await free(backend, next);
    const locks = createLockManager(createRedisBackend({ client }));
    onTestFinished(() => locks.close());
    const others = createRedisLockManager({ url: servers.url });
    onTestFinished(() => others.close());
    const held = await others.acquire(request.name);
    const waiting = locks.acquire(request.name, { waitMs: 10_000 });
    await until('it waits', async () => (await others.inspect(request.name)).waiters === 1);
    await held.release();
    await (await waiting).release();
    expect(await locks.checkHealth()).toMatchObject({ ok: true, driver: 'redis' });
  });

  it('sends no request again that was lost with its connection', async () => {
    const { servers, client } = await connected();
    const locks = createRedisLockManager({ client, commandTimeoutMs: 5_000, allowEviction: true });
    onTestFinished(() => locks.close());
    const name = newName();
    await (await locks.acquire(name)).release();
    await servers.primary.pause();
    const trying = locks.tryAcquire(name);
    // It is looked at behind the end of the server.
    trying.catch(() => {});
    await servers.primary.kill();
    await expect(trying).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE' });
  });
});
