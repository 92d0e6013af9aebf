import { randomUUID } from 'node:crypto';
import { createRedisLockManager } from '@holdfast/redis';
import { createElection } from '@holdfast/election';
import { type RedisServer, type ScriptProcess, spawnScript, startRedis, startTcpProxy, until } from '@holdfast/test/servers';
import { Redis } from 'ioredis';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { CandidateNews } from './candidate-process.js';
import { untilAborted } from './candidates.js';

let server: RedisServer;
let client: Redis;

beforeAll(async () => {
  server = await startRedis();
  client = new Redis(server.url);
});
afterAll(async () => {
  client?.disconnect();
  await server?.close();
});

function start(name: string, count: number, ttlMs: number): ScriptProcess<CandidateNews> {
  return spawnScript<CandidateNews>(new URL('./candidate-process.ts', import.meta.url), [server.url, name, `${count}`, `${ttlMs}`]);
}

const leads = (news: CandidateNews): boolean => news.leading !== undefined;

/** The terms in the order of their first writes, and whether any wrote after a later one had. */
async function writes(name: string): Promise<{ readonly terms: readonly bigint[]; readonly areInOrder: boolean }> {
  const all = (await client.lrange(`${name}:writes`, 0, -1)).map(BigInt);
  return { terms: [...new Set(all)], areInOrder: all.every((term, index) => index === 0 || term >= (all[index - 1] ?? 0n)) };
}

describe('an election of several processes', () => {
  it('survives a rolling deployment of 50 candidates: each process is replaced, and terms only rise', { timeout: 60_000 }, async () => {
    const name = randomUUID();
    const old = Array.from({ length: 5 }, () => start(name, 10, 20_000));
    const all = [...old];
    try {
      await until('one leads', async () => (await client.llen(`${name}:writes`)) > 0, { timeoutMs: 20_000 });
      for (const each of old.slice(0, 3)) {
        const next = start(name, 10, 20_000);
        all.push(next);
        each.send('stop');
        await each.next(({ isResolved }) => isResolved === true, 20_000);
        const before = await client.llen(`${name}:writes`);
        await until('somebody leads', async () => (await client.llen(`${name}:writes`)) > before, { timeoutMs: 20_000 });
      }
      const { areInOrder } = await writes(name);
      expect(areInOrder).toBe(true);
    } finally {
      await Promise.all(all.map((each) => each[Symbol.asyncDispose]()));
    }
  });

  it('replaces a leader that died, and one that stands still, which is notified when it goes on', { timeout: 60_000 }, async () => {
    const name = randomUUID();
    await using first = start(name, 1, 2_000);
    const { term: firstTerm = 0n } = await first.next(leads, 20_000);
    await using second = start(name, 1, 2_000);
    first.pause();
    const { term: secondTerm = 0n } = await second.next(leads, 20_000);
    expect(secondTerm).toBeGreaterThan(firstTerm);
    first.continue();
    await first.next(({ ended, term }) => ended !== undefined && term === firstTerm, 20_000);
    await second.kill();
    const { term: thirdTerm = 0n } = await first.next(leads, 20_000);
    expect(thirdTerm).toBeGreaterThan(secondTerm);
  });

  it('replaces a leader that is cut off from the store alone, which has stopped before the other begins', { timeout: 60_000 }, async () => {
    await using proxy = await startTcpProxy({ target: server.port });
    const name = randomUUID();
    const cut = createRedisLockManager({ url: `redis://127.0.0.1:${proxy.port}`, commandTimeoutMs: 500 });
    const whole = createRedisLockManager({ url: server.url });
    const leader = createElection(cut, name, { ttlMs: 3_000, retryMs: 100 });
    const standby = createElection(whole, name, { ttlMs: 3_000, retryMs: 100 });
    const log: string[] = [];
    const task = (who: string) => async (leadership: { readonly signal: AbortSignal }) => {
      log.push(`${who} began`);
      await untilAborted(leadership);
      log.push(`${who} ended`);
    };
    const runs = [leader.run(task('first'))];
    await until('the first leads', () => leader.health().leading);
    runs.push(standby.run(task('second')));
    proxy.hold();
    await until('the second leads', () => standby.health().leading, { timeoutMs: 20_000 });
    expect(log).toEqual(['first began', 'first ended', 'second began']);
    proxy.pass();
    await Promise.all([leader.close(), standby.close(), ...runs]);
    await Promise.all([cut.close(), whole.close()]);
  });
});
