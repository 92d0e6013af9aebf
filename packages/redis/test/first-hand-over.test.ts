import { callOf, newName, requestOf } from '@holdfast/test/backend';
import { type RedisServer, startRedis, startTcpProxy, type TcpProxy, until } from '@holdfast/test/servers';
import { expect, it, onTestFinished } from 'vitest';
import { createRedisBackend, createRedisLockManager } from './chosen-driver.js';

it('hands on at a server that has never run the script', async () => {
  const server = await startRedis({ config: {} });
  onTestFinished(() => server.close());
  const backend = createRedisBackend({ url: server.url });
  onTestFinished(() => backend.close());
  const name = newName();
  const [first, next] = [requestOf(name), requestOf(name)];
  await backend.attempt([first], callOf());
  expect(await backend.release([{ ...first, next }], callOf())).toMatchObject([{ wasOurs: true, next: { granted: true } }]);
  expect(await backend.release([next], callOf())).toMatchObject([{ wasOurs: true }]);
});

it('hands on at a server that has started anew and knows no script any more', async () => {
  const server = await startRedis({ config: {} });
  onTestFinished(() => server.close());
  const backend = createRedisBackend({ url: server.url });
  onTestFinished(() => backend.close());
  const handsOn = async (): Promise<void> => {
    const name = newName();
    const [first, next] = [requestOf(name), requestOf(name)];
    await until('the server answers', async () => (await backend.attempt([first], callOf(2000)).catch(() => []))[0]?.granted === true);
    expect(await backend.release([{ ...first, next }], callOf())).toMatchObject([{ wasOurs: true, next: { granted: true } }]);
    expect(await backend.release([next], callOf())).toMatchObject([{ wasOurs: true }]);
  };
  await handsOn();
  await server.kill();
  await server.restart();
  await handsOn();
});

interface Line {
  readonly proxy: TcpProxy;
  readonly locks: ReturnType<typeof createRedisLockManager>;
  readonly others: ReturnType<typeof createRedisLockManager>;
}

/** A manager behind a proxy at a server that has never handed on, and one that reaches the server without it. */
async function lineTo(): Promise<Line> {
  const server: RedisServer = await startRedis({ config: {} });
  onTestFinished(() => server.close());
  const proxy = await startTcpProxy({ target: server.port });
  onTestFinished(() => proxy.close());
  const locks = createRedisLockManager({ url: proxy.urlFor(server.url), commandTimeoutMs: 500 });
  const others = createRedisLockManager({ url: server.url });
  onTestFinished(async () => {
    await locks.close();
    await others.close();
  });
  return { proxy, locks, others };
}

it('a first hand-over whose answer is lost leaves nobody behind', async () => {
  const { proxy, locks, others } = await lineTo();
  const lease = await locks.acquire(newName());
  const waiting = locks.acquire(lease.name, { waitMs: 20_000 });
  proxy.silence('down');
  const released = lease.release().catch((error: unknown) => error);
  const sent = proxy.bytes.up;
  await until('the hand-over is on its way', () => proxy.bytes.up > sent);
  await released;
  proxy.cut();
  await proxy.restore();
  const next = await waiting;
  expect(next.fencingToken).toBeGreaterThan(lease.fencingToken);
  expect(await others.tryAcquire(lease.name)).toBeNull();
  await next.release();
  await (await others.acquire(lease.name, { waitMs: 10_000 })).release();
});

it('a close during the first hand-over frees the name', async () => {
  const { proxy, locks, others } = await lineTo();
  const lease = await locks.acquire(newName());
  const waiting = locks.acquire(lease.name, { waitMs: 20_000 }).catch((error: { readonly code: string }) => error.code);
  proxy.delayMs = 100;
  const sent = proxy.bytes.up;
  const released = lease.release().catch(() => {});
  await until('the hand-over is on its way', () => proxy.bytes.up > sent);
  const closed = locks.close();
  expect(await waiting).toBe('LOCK_CLOSED');
  await released;
  await closed;
  await (await others.acquire(lease.name, { waitMs: 5_000 })).release();
});
