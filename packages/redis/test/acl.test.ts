import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { createLockManager } from '@holdfast/core';
import { createRedisBackend, type IoredisClient } from '@holdfast/redis';
import { attempt, callOf, free, newName, permitsOf, requestOf, take } from '@holdfast/test/backend';
import { type RedisCluster, startRedisCluster, until } from '@holdfast/test/servers';
import { Redis } from 'ioredis';
import { Redis as Redis6 } from 'ioredis-6';
import { Redis as Valkey } from 'iovalkey';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { slotOf } from '../src/key-slot.js';
import { chosenDriver } from './chosen-driver.js';
import { standIn, useRedis } from './redis-harness.js';

const redis = useRedis();
const isGlide = chosenDriver === '@valkey/valkey-glide';
let cluster: RedisCluster;
let masters: readonly Redis[];

beforeAll(async () => {
  cluster = await startRedisCluster({ replicas: 0, config: { appendonly: 'yes' } });
  masters = cluster.masters.map(({ port }) => new Redis(port));
});
afterAll(async () => {
  for (const master of masters) master.disconnect();
  await cluster.close();
});

/** Where the permissions are tried. */
interface Store {
  readonly url: string;
  readonly servers: readonly Redis[];
  /** What the README says is needed besides. */
  readonly besides: readonly string[];
  /** What checkHealth misses. */
  readonly useful: readonly string[];
}

const stores = {
  'one server': (): Store => ({ url: redis.server.url, servers: [redis.admin], besides: [], useful: ['+info'] }),
  'a Cluster of three masters': (): Store => ({
    url: cluster.url,
    servers: masters,
    besides: isGlide ? ['+cluster|slots', '+ping'] : ['+cluster|slots'],
    useful: ['+info', '+asking'],
  }),
} as const;

/** The rule as the README gives it. */
async function documentedRule(): Promise<string[]> {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8');
  const rule = /ACL SETUSER ([^`]+?)\n```/.exec(readme)?.[1];
  if (rule === undefined) throw new Error('the README has no ACL SETUSER');
  return rule.replaceAll(/\\\n/g, ' ').trim().split(/\s+/);
}

/** @returns the URL for a user with the least permissions, and what is besides them on this store */
async function userOf(store: Store, name: string, change: (rule: string[]) => string[] = (rule) => rule): Promise<string> {
  const [, ...rule] = await documentedRule();
  const words = change([...rule, ...store.besides]).map((word) => (word.startsWith('>') ? '>word' : word));
  for (const server of store.servers) await server.call('ACL', 'SETUSER', name, 'reset', ...words);
  return store.url.replace('://', `://${name}:word@`);
}

/** Puts a list where a lock has its key. */
async function spoil(store: Store, name: string): Promise<void> {
  const key = `holdfast:${name}`;
  const [first] = store.servers;
  const owner = store.servers.length === 1 ? first : store.servers[Math.floor((slotOf(key) * store.servers.length) / 16_384)];
  await owner?.del(key);
  await owner?.rpush(key, 'x');
}

/** Every call there is, each step as a manager would make it. Rejects when one is refused. */
async function everything(store: Store, url: string): Promise<void> {
  const backend = redis.backend({ url });
  const fair = redis.backend({ url, fair: true });
  try {
    const first = requestOf(newName());
    await standIn(fair, first);
    const next = requestOf(first.name);
    const waiting = standIn(fair, next);
    const ended = waiting.then(
      () => true,
      () => true,
    );
    // Until it waits, or is refused.
    for (let isThere = false; !isThere; ) {
      isThere = (await backend.inspect(first.name, 'lock', callOf())).waiters === 1 || (await Promise.race([ended, sleep(5, false)]));
    }
    expect(await free(backend, first)).toBe(true);
    await waiting;
    expect(await backend.renew([{ ...next, ttlMs: 20_000 }], callOf())).toEqual([true]);
    const last = standIn(backend, requestOf(first.name));
    // Heard of below; where the wait for its place fails first, that is what counts.
    last.catch(() => {});
    await until('it waits', async () => (await backend.inspect(first.name, 'lock', callOf())).waiters === 1);
    expect(await backend.forceRelease(first.name, 'lock', callOf())).toBe(true);
    await last;
    // On a Cluster only those of one slot share a script.
    const tag = newName();
    const together = [requestOf(`{${tag}}1`), requestOf(`{${tag}}2`)];
    expect((await backend.attempt(together, callOf())).every(({ granted }) => granted)).toBe(true);
    await backend.release(together, callOf());
    const others = [permitsOf(newName(), 2, 3), requestOf(newName(), 'read'), requestOf(newName(), 'write')];
    expect((await backend.attempt(others, callOf())).every(({ granted }) => granted)).toBe(true);
    expect(
      await backend.renew(
        others.map((other) => ({ ...other, ttlMs: 20_000 })),
        callOf(),
      ),
    ).toEqual([true, true, true]);
    expect((await attempt(backend, permitsOf(others[0]?.name ?? '', 2, 3))).granted).toBe(false);
    expect((await attempt(backend, requestOf(others[1]?.name ?? '', 'write'))).granted).toBe(false);
    const names: string[] = [];
    for await (const state of backend.list?.('', callOf()) ?? []) names.push(state.name);
    expect(names).toEqual(expect.arrayContaining(others.map(({ name }) => name)));
    for (const kind of ['lock', 'semaphore', 'read-write'] as const) await backend.inspect(others[0]?.name ?? '', kind, callOf());
    await backend.release(others, callOf());
    await take(backend, permitsOf(newName(), 1, 1, { ttlMs: 1 }));
    expect(await backend.forceRelease(others[1]?.name ?? '', 'read-write', callOf())).toBe(false);
    expect(await backend.marks?.set(newName(), 1000, callOf())).toBe(true);
    expect(await backend.marks?.has(newName(), callOf())).toBe(false);
    for await (const mark of backend.marks?.list?.('', callOf()) ?? []) expect(mark.name).toBeTypeOf('string');
    await backend.checkHealth(callOf());
    // The text of a script is needed when the server has forgotten it.
    for (const server of store.servers) await server.script('FLUSH');
    const again = requestOf(newName());
    await take(backend, again);
    await spoil(store, again.name);
    await expect(attempt(backend, requestOf(again.name))).rejects.toThrow(/holds a list/);
  } finally {
    await Promise.all([backend.close(), fair.close()]);
  }
}

describe.each(Object.entries(stores))('a user with the permissions of the README and no others, on %s', (_, storeOf) => {
  it('can do everything', async () => {
    await everything(storeOf(), await userOf(storeOf(), 'lockuser'));
  });

  it('has no permission that is not needed', { timeout: 60_000 }, async () => {
    const store = storeOf();
    const [, ...rule] = await documentedRule();
    const rights = [...rule.filter((word) => word.startsWith('+')), ...store.besides];
    const idle: string[] = [];
    for (const [i, right] of rights.entries()) {
      const url = await userOf(store, `without${i}`, (words) => words.filter((word) => word !== right));
      const outcome = await everything(store, url).then(
        () => 'worked',
        () => 'refused',
      );
      if (outcome === 'worked') idle.push(right);
    }
    expect(idle).toEqual([]);
  });

  it('is refused permanently when one permission is missing, and never hears that the lock is busy', async () => {
    const store = storeOf();
    // GLIDE is handed the text of a script first.
    const missing = { [isGlide ? '+eval' : '+evalsha']: 'script', '+set': 'set', '+time': 'time' };
    const rules = Object.entries(missing).map(
      ([right, user]) => [user, (rule: string[]) => rule.filter((word) => word !== right)] as const,
    );
    const noKeys = (rule: string[]): string[] => rule.map((word) => (word.startsWith('~') ? '~nothing:*' : word));
    for (const [user, change] of [...rules, ['keys', noKeys] as const]) {
      await expect(attempt(redis.backend({ url: await userOf(store, user, change) }), requestOf(newName()))).rejects.toMatchObject({
        code: 'LOCK_BACKEND_UNAVAILABLE',
        retryable: false,
      });
    }
  });

  it('learns by checkHealth what it cannot see, and nothing once it may', async () => {
    const store = storeOf();
    const healthOf = async (...more: string[]) => {
      await using locks = createLockManager(createRedisBackend({ url: await userOf(store, 'viewer', (rule) => [...rule, ...more]) }));
      return await locks.checkHealth();
    };
    const problems = store.useful.map((right) => ({ up: true, problem: expect.stringContaining(`(${right})`) as string }));
    expect(await healthOf()).toMatchObject({ ok: true, nodes: problems });
    expect(await healthOf(...store.useful)).not.toHaveProperty('nodes');
  });
});

interface ClientOptions {
  readonly port: number;
  readonly username: string;
  readonly password: string;
  readonly enableReadyCheck: boolean;
}

it.each([
  ['ioredis 5', (options: ClientOptions): IoredisClient => new Redis(options)],
  ['ioredis 6', (options: ClientOptions): IoredisClient => new Redis6(options)],
  ['iovalkey', (options: ClientOptions): IoredisClient => new Valkey(options)],
] as const)('a user with those permissions can do it through a client of %s', async (_, connect) => {
  await userOf(stores['one server'](), 'clientuser');
  const client = connect({ port: redis.server.port, username: 'clientuser', password: 'word', enableReadyCheck: false });
  const backend = createRedisBackend({ client });
  const held = requestOf(newName());
  await take(backend, held);
  const waiting = standIn(backend, requestOf(held.name));
  await until('it waits', async () => (await backend.inspect(held.name, 'lock', callOf())).waiters === 1);
  await free(backend, held);
  await waiting;
  await backend.close();
  client.disconnect();
});
