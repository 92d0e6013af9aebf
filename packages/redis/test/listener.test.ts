import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { attempt, callOf, newName, requestOf } from '@holdfast/test/backend';
import { type RedisServer, startRedis, until } from '@holdfast/test/servers';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { createRedisBackend, createRedisLockManager } from './chosen-driver.js';

let servers: readonly [RedisServer, RedisServer];
let admins: readonly Redis[];

beforeAll(async () => {
  servers = [await startRedis(), await startRedis()];
  admins = servers.map(({ port }) => new Redis(port));
});
afterAll(async () => {
  for (const admin of admins) admin.disconnect();
  for (const server of servers) await server.close();
});

/** An address that can move on to another server, while connections to the old one live. */
class MovingAddress {
  target = 0;
  readonly #server = createServer((client) => this.#accept(client));
  readonly #sockets = new Set<Socket>();

  async start(): Promise<number> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    return address.port;
  }

  close(): void {
    this.#server.close();
    for (const socket of this.#sockets) socket.destroy();
  }

  #accept(client: Socket): void {
    const server = connect(servers[this.target === 0 ? 0 : 1].port, '127.0.0.1');
    for (const [from, to] of [
      [client, server],
      [server, client],
    ] as const) {
      this.#sockets.add(from);
      from.pipe(to);
      from.on('error', () => to.destroy());
      from.on('close', () => {
        this.#sockets.delete(from);
        to.destroy();
      });
    }
  }
}

/** Ends connections to a server but for those of a kind: those that listen, or those that do not. */
async function cut(server: number, who: 'normal' | 'pubsub'): Promise<void> {
  await admins[server]?.call('CLIENT', 'KILL', 'TYPE', who, 'SKIPME', 'yes');
}

async function listeners(server: number): Promise<number> {
  return String(await admins[server]?.client('LIST'))
    .split('\n')
    .filter((line) => /\bsub=[1-9]/.test(line)).length;
}

describe.each([true, false])('a manager whose commands have come to go to another server than it listens to (fair: %s)', (fair) => {
  const kinds = {
    lock: (locks: ReturnType<typeof createRedisLockManager>, name: string) => ({
      acquire: (options?: { waitMs: number }) => locks.acquire(name, options),
    }),
    permits: (locks: ReturnType<typeof createRedisLockManager>, name: string) => locks.semaphore(name, { permits: 1 }),
    'write lock': (locks: ReturnType<typeof createRedisLockManager>, name: string) => locks.readWriteLock(name).write,
  } as const;

  it.each(Object.entries(kinds))('is served within 2.5 s of a release (%s)', { timeout: 60_000 }, async (_, on) => {
    const address = new MovingAddress();
    const url = `redis://127.0.0.1:${await address.start()}`;
    const locks = createRedisLockManager({ url, fair });
    const before = createRedisLockManager({ url: servers[0].url, fair });
    const others = createRedisLockManager({ url: servers[1].url, fair });
    onTestFinished(async () => {
      await locks.close();
      await before.close();
      await others.close();
      address.close();
    });
    const first = newName();
    const held = await on(before, first).acquire();
    const waiting = on(locks, first).acquire();
    await until('it listens', async () => (await listeners(0)) > 0);
    await held.release();
    await (await waiting).release();
    address.target = 1;
    await cut(0, 'normal');
    const name = newName();
    const theirs = await on(others, name).acquire();
    const ours = on(locks, name).acquire({ waitMs: 20_000 });
    await until(
      'it waits',
      async () => ((await others.inspect(name)).waiters ?? 0) >= 0 && (await admins[1]?.keys(`*waiters:*${name}`))?.length === 1,
    );
    const start = performance.now();
    await theirs.release();
    await (await ours).release();
    expect(performance.now() - start).toBeLessThan(2500);
    // That a driver has connected elsewhere by itself is seen while somebody waits.
    const again = await on(others, name).acquire();
    const waitingOn = on(locks, name).acquire({ waitMs: 20_000 });
    await until('it listens where its commands go', async () => (await listeners(0)) === 0);
    await again.release();
    await (await waitingOn).release();
  });
});

it('a user that may not ask which server it is waits for as long as the polls are apart', { timeout: 60_000 }, async () => {
  for (const admin of admins) await admin.call('ACL', 'SETUSER', 'plain', 'reset', 'on', '>word', '~*', '&*', '+@all', '-info');
  const address = new MovingAddress();
  const url = `redis://plain:word@127.0.0.1:${await address.start()}`;
  const locks = createRedisLockManager({ url, fair: true });
  onTestFinished(async () => {
    await locks.close();
    address.close();
  });
  const first = newName();
  const held = await locks.acquire(first);
  const waiting = locks.acquire(first);
  await until('it listens', async () => (await listeners(0)) > 0);
  await held.release();
  await (await waiting).release();
  address.target = 1;
  await cut(0, 'normal');
  const name = newName();
  let lease = await locks.acquire(name);
  for (let round = 0; round < 2; round++) {
    const next = locks.acquire(name, { waitMs: 20_000 });
    await until('it waits', async () => ((await locks.inspect(name)).waiters ?? 0) === 1);
    const start = performance.now();
    await lease.release();
    lease = await next;
    expect(performance.now() - start).toBeLessThan(2500);
  }
  await lease.release();
});

it('a place in the queue stays though nobody heard the message', async () => {
  const backend = createRedisBackend({ url: servers[0].url });
  onTestFinished(() => backend.close());
  const held = requestOf(newName());
  await attempt(backend, held);
  const id = 'aaaaaaaaaaaaaaaa';
  const key = (await waitersKey(held.name)) ?? '';
  const place = (owner: string): string => `${owner.repeat(32)}:${owner.repeat(16)}:${id}:x:1:1:label`;
  await admins[0]?.zadd(key, Date.now() + 60_000, `f${id}`, Date.now() * 1000, place('1'), Date.now() * 1000 + 1, place('2'));
  await backend.release([held], callOf());
  // The first was granted, the second waits, and their manager is still taken for alive.
  expect(await admins[0]?.zrangebyscore(key, 100_000_000_000_000, '+inf')).toEqual([place('2')]);
  expect(await admins[0]?.zscore(key, `f${id}`)).not.toBeNull();
  expect(await admins[0]?.get(`holdfast:${held.name}`)).toMatch(/^1{32}:[0-9]+:label$/);
});

/** The key under which those who wait for a lock lie. */
async function waitersKey(name: string): Promise<string | undefined> {
  const probe = createRedisBackend({ url: servers[0].url, fair: true });
  const signal = new AbortController();
  const waiting = probe.wait?.(requestOf(name), callOf(2000, signal.signal)).catch(() => {});
  let key: string | undefined;
  await until('a waiter shows the key', async () => {
    [key] = (await admins[0]?.keys(`*lock-waiters:*${name}`)) ?? [];
    return key !== undefined;
  });
  signal.abort(new Error('seen'));
  await waiting;
  await probe.close();
  return key;
}
