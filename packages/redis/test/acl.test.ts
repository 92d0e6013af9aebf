import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { createRedisBackend } from '@holdfast/redis';
import { attempt, callOf, free, newName, permitsOf, requestOf, take } from '@holdfast/test/backend';
import { until } from '@holdfast/test/servers';
import { Redis } from 'ioredis';
import { Redis as Redis6 } from 'ioredis-6';
import { describe, expect, it } from 'vitest';
import { standIn, useRedis } from './redis-harness.js';

const redis = useRedis();

/** The rule as the README gives it. */
async function documentedRule(): Promise<string[]> {
  const readme = await readFile(new URL('../README.md', import.meta.url), 'utf8');
  const rule = /ACL SETUSER ([^`]+?)\n```/.exec(readme)?.[1];
  if (rule === undefined) throw new Error('the README has no ACL SETUSER');
  return rule.replaceAll(/\\\n/g, ' ').trim().split(/\s+/);
}

async function userWith(name: string, change: (rule: string[]) => string[] = (rule) => rule): Promise<string> {
  const [, ...rule] = await documentedRule();
  await redis.admin.call('ACL', 'SETUSER', name, 'reset', ...change(rule).map((word) => (word.startsWith('>') ? '>word' : word)));
  return redis.server.url.replace('redis://', `redis://${name}:word@`);
}

/** Every call there is, each step as a manager would make it. Rejects when one is refused. */
async function everything(url: string): Promise<void> {
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
    await until('it waits', async () => (await backend.inspect(first.name, 'lock', callOf())).waiters === 1);
    expect(await backend.forceRelease(first.name, 'lock', callOf())).toBe(true);
    await last;
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
    await redis.admin.script('FLUSH');
    const again = requestOf(newName());
    await take(backend, again);
    await redis.admin.del(`holdfast:${again.name}`);
    await redis.admin.rpush(`holdfast:${again.name}`, 'x');
    await expect(attempt(backend, requestOf(again.name))).rejects.toThrow(/holds a list/);
  } finally {
    await Promise.all([backend.close(), fair.close()]);
  }
}

describe('a user with the rights of the README and no others', () => {
  it('can do everything', async () => {
    await everything(await userWith('lockuser'));
  });

  it.each([5, 6])('can do it through a client of ioredis %i', async (version) => {
    await userWith('clientuser');
    const options = { port: redis.server.port, username: 'clientuser', password: 'word', enableReadyCheck: false };
    const client = version === 5 ? new Redis(options) : new Redis6(options);
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

  it('is refused for good when one right is missing, and never told that the lock is busy', async () => {
    const missing = { '+evalsha': 'evalsha', '+set': 'set', '+time': 'time' };
    for (const [right, user] of Object.entries(missing)) {
      const url = await userWith(user, (rule) => rule.filter((word) => word !== right));
      await expect(attempt(redis.backend({ url }), requestOf(newName()))).rejects.toMatchObject({
        code: 'LOCK_BACKEND_UNAVAILABLE',
        retryable: false,
      });
    }
    const url = await userWith('keys', (rule) => rule.map((word) => (word.startsWith('~') ? '~nothing:*' : word)));
    await expect(attempt(redis.backend({ url }), requestOf(newName()))).rejects.toMatchObject({
      code: 'LOCK_BACKEND_UNAVAILABLE',
      retryable: false,
    });
  });

  it('has no right that is not needed', async () => {
    const [, ...rule] = await documentedRule();
    const rights = rule.filter((word) => word.startsWith('+'));
    const idle: string[] = [];
    for (const [i, right] of rights.entries()) {
      const url = await userWith(`without${i}`, (words) => words.filter((word) => word !== right));
      const outcome = await everything(url).then(
        () => 'worked',
        () => 'refused',
      );
      if (outcome === 'worked') idle.push(right);
    }
    expect(idle).toEqual([]);
  });
});
