import { createLockManager, type LockBackend } from '@holdfast/core';
import { createRedisBackend } from '@holdfast/redis';
import { callOf, newName } from '@holdfast/test/backend';
import { type RedisServer, startRedis, until } from '@holdfast/test/servers';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest';
import { KeySpace } from '../src/key-space.js';

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

it.each(['marks', 'ends'] as const)('a key of %s that another program took costs no marks but those that lie there', async (which) => {
  const prefix = `${newName()}:`;
  const marks = backendOf(prefix).marks;
  const space = new KeySpace(prefix, '');
  const names = Array.from({ length: 30 }, () => newName());
  const taken = space.markKeys(names[15] ?? '')[which];
  const isTaken = (name: string): boolean => space.markKeys(name)[which] === taken;
  const [fine, lost] = [names.filter((name) => !isTaken(name)), names.filter(isTaken)];
  await admin.multi().del(taken).lpush(taken, 'foreign').exec();
  const warned: unknown[] = [];
  const onWarning = (warning: Error): void => void warned.push('code' in warning && warning.code);
  process.on('warning', onWarning);
  try {
    // The first goes alone; what is sent until it was answered shares commands.
    const set = await Promise.allSettled([newName(), ...names].map(async (name) => await marks?.set(name, 60_000, callOf())));
    const refused = names.filter((_, index) => set[index + 1]?.status === 'rejected');
    expect(refused).toEqual(lost);
    expect(set.find(({ status }) => status === 'rejected')).toMatchObject({
      reason: { code: 'LOCK_BACKEND_UNAVAILABLE', retryable: false },
    });
    const found = await Promise.allSettled([newName(), ...names].map(async (name) => await marks?.has(name, callOf())));
    expect(names.filter((_, index) => found[index + 1]?.status === 'rejected')).toEqual(which === 'marks' ? lost : []);
    const listed: string[] = [];
    for await (const { name } of marks?.list?.('', callOf()) ?? []) listed.push(name);
    expect(listed).toEqual(expect.arrayContaining(fine));
    if (which === 'marks') await until('it was said', () => warned.includes('HOLDFAST_FOREIGN_KEY'));
  } finally {
    process.off('warning', onWarning);
    await admin.del(taken);
  }
});
