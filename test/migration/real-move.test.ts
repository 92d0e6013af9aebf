import { randomInt, randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Clock, type LockManager, systemClock } from '@holdfast/core';
import { createJobLockManager } from '@holdfast/jobs';
import { createMigratingLockManager } from '@holdfast/migration';
import { createRedisLockManager } from '@holdfast/redis';
import { createRedlockLockManager, initializeNodes } from '@holdfast/redlock';
import { type RedisNodes, type RedisServer, startRedis, startRedisNodes } from '@holdfast/test/servers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const HOUR_MS = 3_600_000;
const RUNS = 12;
/** What is tested is not how fast this machine is. */
const patient = { commandTimeoutMs: 10_000 };

let redis: RedisServer;
let nodes: RedisNodes;

beforeAll(async () => {
  [redis, nodes] = await Promise.all([startRedis(), startRedisNodes(3)]);
  await initializeNodes({ urls: nodes.urls });
});
afterAll(async () => {
  await Promise.all([redis.close(), nodes.close()]);
});

type Open = (scope: string, clock: Clock) => LockManager;

const onRedis: Open = (scope, clock) => createRedisLockManager({ url: redis.url, prefix: `${scope}:`, clock, ...patient });
const onRedlock: Open = (scope, clock) =>
  createRedlockLockManager({ urls: nodes.urls, prefix: `${scope}:`, clock, nodeTimeoutMs: 5_000, ...patient });

/** A clock whose wall is set now and then. */
class JumpingClock implements Clock {
  aheadMs = 0;
  readonly now = systemClock.now;
  readonly random = systemClock.random;
  readonly setTimer = systemClock.setTimer;
  readonly wall = (): number => systemClock.wall() + this.aheadMs;
}

const moves: readonly (readonly [what: string, from: Open, to: Open])[] = [
  ['from Redis to Redlock', onRedis, onRedlock],
  ['from Redlock to Redis', onRedlock, onRedis],
];

describe.each(moves)('three servers on their way %s', (_, from, to) => {
  it('run each job once, while they change their phase and their wall clocks are set', { timeout: 120_000 }, async () => {
    const scope = `m-${randomUUID()}`;
    const servers = Array.from({ length: 3 }, () => {
      const clock = new JumpingClock();
      const sides = { from: from(`${scope}-from`, clock), to: to(`${scope}-to`, clock) };
      const locks = createMigratingLockManager({ ...sides, phase: 'from', clock, ...patient });
      return { clock, locks, jobs: createJobLockManager(locks, { ttlMs: 40_000 }) };
    });
    const [begun, won] = [new Map<string, number>(), new Map<string, number>()];
    const inside = new Set<string>();
    const collisions: string[] = [];
    const count = (counts: Map<string, number>, name: string): unknown => counts.set(name, (counts.get(name) ?? 0) + 1);

    const work = async (epoch: string): Promise<void> => {
      await Promise.all(
        servers.map(async ({ clock, jobs, locks }, number) => {
          for (let run = 0; run < RUNS; run += 1) {
            const name = `${epoch} ${run}`;
            // oxlint-disable-next-line no-await-in-loop
            await jobs.runOnce(name, { windowMs: HOUR_MS, guarantee: run % 2 === 0 ? 'at-most-once' : 'at-least-once' }, async () => {
              if (inside.has(name)) collisions.push(name);
              inside.add(name);
              count(begun, name);
              // Back, and on within the lease: a wall beyond the deadline would end it.
              clock.aheadMs += [-HOUR_MS, -500, 500][randomInt(3)] ?? 0;
              await sleep(randomInt(20));
              inside.delete(name);
            });
            // oxlint-disable-next-line no-await-in-loop
            if (await locks.marks?.set(`${name} mark`, { retentionMs: HOUR_MS, owner: `server ${number}` })) count(won, name);
          }
        }),
      );
    };
    const move = async (phase: 'both' | 'to'): Promise<void> => {
      for (const { locks } of servers) {
        // oxlint-disable-next-line no-await-in-loop
        await sleep(randomInt(60));
        // oxlint-disable-next-line no-await-in-loop
        await locks.setPhase(phase);
      }
    };
    try {
      await Promise.all([work('early'), move('both')]);
      await Promise.all([work('late'), move('to')]);
      expect(collisions).toEqual([]);
      const once = new Map(
        ['early', 'late'].flatMap((epoch) => Array.from({ length: RUNS }, (__, run) => [`${epoch} ${run}`, 1] as const)),
      );
      expect(begun).toEqual(once);
      expect(won).toEqual(once);
    } finally {
      await Promise.all(servers.map(({ locks }) => locks.close()));
    }
  });
});
