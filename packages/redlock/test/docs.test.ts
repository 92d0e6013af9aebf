import { readFileSync } from 'node:fs';
import { createLockManager } from '@holdfast/core';
import { createRedlockBackend, initializeNodes } from '@holdfast/redlock';
import { type RedisNodes, startRedisNodes } from '@holdfast/test/servers';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const [USER, PASSWORD] = ['lockuser', 'word'];
let started: RedisNodes;
let admins: readonly Redis[];

beforeAll(async () => {
  started = await startRedisNodes(3);
  admins = started.nodes.map(({ port }) => new Redis(port));
});
afterAll(async () => {
  for (const admin of admins) admin.disconnect();
  await started.close();
});

describe('docs/protecting-a-row.md', () => {
  it('has a script for Redis that refuses a lower token, and takes the same one again', async () => {
    const page = readFileSync(new URL('../../../docs/protecting-a-row.md', import.meta.url), 'utf8');
    const script = /const WRITE_FENCED = `([^`]+)`;/.exec(page)?.[1] ?? '';
    const [redis] = admins;
    const write = async (token: bigint, value: string): Promise<unknown> => redis?.eval(script, 1, 'report:42', String(token), value);
    expect(await write(5n, 'a')).toBe(1);
    expect(await write(5n, 'b')).toBe(1);
    expect(await write(4n, 'c')).toBe(0);
    expect(await write(10n, 'd')).toBe(1);
    expect(await write(9n, 'e')).toBe(0);
    expect(await write(1_795_252_018_237_112n, 'f')).toBe(1);
    expect(await write(1_795_252_018_237_111n, 'g')).toBe(0);
    expect(await redis?.hget('report:42', 'value')).toBe('f');
  });
});

describe('the README', () => {
  it('lists permissions that are enough', async () => {
    const rights =
      '+evalsha +eval +time +get +set +del +exists +type +pttl +pexpire +hset +hget +hdel +zadd +zrem +zcard +zscore +zrange +zrangebyscore +publish +subscribe +scan +hscan +info +hgetall';
    for (const admin of admins) {
      const rules = `on >${PASSWORD} resetkeys ~holdfast:* ~holdfast.redlock:* resetchannels &holdfast.wake:* ${rights}`;
      await admin.call('ACL', 'SETUSER', USER, ...rules.split(' '));
    }
    const urls = started.urls.map((url) => url.replace('redis://', `redis://${USER}:${PASSWORD}@`));
    await initializeNodes({ urls });
    const [one, other] = [createLockManager(createRedlockBackend({ urls })), createLockManager(createRedlockBackend({ urls }))];
    const lease = await one.acquire('x');
    const waiting = other.acquire('x');
    await lease.extend();
    await lease.release();
    await (await waiting).release();
    for (const each of [one, other]) {
      await (await each.semaphore('s', { permits: 2 }).acquire({ permits: 2 })).release();
      await (await each.readWriteLock('rw').read.acquire()).release();
      await (await each.readWriteLock('rw').write.acquire()).release();
    }
    expect(await one.marks?.set('m', { retentionMs: 1000 })).toBe(true);
    expect(await other.marks?.has('m')).toBe(true);
    expect(await one.forceRelease('x')).toBe(false);
    const names: string[] = [];
    const held = await one.acquire('listed');
    for await (const { name } of other.list({})) names.push(name);
    expect(names).toEqual(['listed']);
    await held.release();
    expect((await one.checkHealth()).ok).toBe(true);
    await Promise.all([one.close(), other.close()]);
  });
});
