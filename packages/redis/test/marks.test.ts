import { createLockManager, type LockBackend } from '@holdfast/core';
import { createRedisBackend } from '@holdfast/redis';
import { callOf, newName } from '@holdfast/test/backend';
import { type RedisServer, startRedis } from '@holdfast/test/servers';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';

let server: RedisServer;
let admin: Redis;
const backends: LockBackend<bigint>[] = [];

beforeAll(async () => {
  server = await startRedis({ config: {} });
  admin = new Redis(server.port);
});
afterEach(async () => {
  await Promise.all(backends.splice(0).map((backend) => backend.close()));
});
afterAll(async () => {
  admin.disconnect();
  await server.close();
});

function backendOf(prefix?: string): LockBackend<bigint> {
  const backend = createRedisBackend({ url: server.url, ...(prefix !== undefined && { prefix }) });
  backends.push(backend);
  return backend;
}

it('marks of another prefix are other marks, and are not listed', async () => {
  const [one, other] = [backendOf('one:').marks, backendOf('other:').marks];
  const name = newName();
  await one?.set(name, 60_000, callOf());
  expect(await other?.has(name, callOf())).toBe(false);
  const names: string[] = [];
  for await (const mark of other?.list?.('', callOf()) ?? []) names.push(mark.name);
  expect(names).not.toContain(name);
});

it('a server that persists nothing is named by checkHealth, and is not refused', async () => {
  await using locks = createLockManager(backendOf());
  const problem = expect.stringContaining('completion marks are forgotten') as string;
  expect(await locks.checkHealth()).toMatchObject({ ok: true, nodes: [{ up: true, problem }] });
  await admin.config('SET', 'appendonly', 'yes');
  try {
    expect(await locks.checkHealth()).not.toHaveProperty('nodes');
  } finally {
    await admin.config('SET', 'appendonly', 'no');
  }
});
