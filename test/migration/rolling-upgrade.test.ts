import { randomUUID } from 'node:crypto';
import type { MigrationPhase } from '@holdfast/migration';
import { type RedisServer, type ScriptProcess, spawnScript, startRedis, until } from '@holdfast/test/servers';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import type { WorkerMessage, WorkerOrder } from './migrating-worker.js';

const IN_TIME = { timeoutMs: 20_000 };
const NAMES = ['alpha', 'beta', 'gamma'];
/** Where nobody is killed: long enough that a busy machine loses no lease, since the one who loses one meets the next inside. */
const LONG_TTL_MS = 10_000;
const TTL_MS = 2_000;
const GUARD_MS = 200;
/** A waiter behind a process that was killed waits for its ttl and the guard, on each side, and 2 s at most to notice. */
const STALL_MS = 2 * (TTL_MS + GUARD_MS + 2_000);

let server: RedisServer;
let redis: Redis;
const running = new Set<Worker>();

beforeAll(async () => {
  server = await startRedis();
  redis = new Redis(server.url);
});

afterEach(async () => {
  await Promise.all([...running].map((worker) => worker.process.kill()));
  running.clear();
});

afterAll(async () => {
  redis.disconnect();
  await server.close();
});

/** One process that works on the locks for as long as it lives. */
class Worker {
  readonly process: ScriptProcess<WorkerMessage>;

  constructor(prefix: string, phase: MigrationPhase, { ttlMs = LONG_TTL_MS, longestHoldMs = 4 } = {}) {
    const script = new URL('./migrating-worker.ts', import.meta.url);
    this.process = spawnScript<WorkerMessage>(script, [server.url, prefix, phase, NAMES.join(','), `${ttlMs}`, `${longestHoldMs}`]);
    running.add(this);
  }

  /** Everything of one type that it has said. */
  said<T extends WorkerMessage['type']>(type: T): readonly Extract<WorkerMessage, { readonly type: T }>[] {
    return this.process.messages.filter((message): message is Extract<WorkerMessage, { readonly type: T }> => message.type === type);
  }

  get turns(): number {
    return this.said('progress').at(-1)?.turns ?? 0;
  }

  async setPhase(phase: MigrationPhase): Promise<void> {
    const before = this.said('phase-set').length;
    this.process.send({ to: 'set-phase', phase } satisfies WorkerOrder);
    await until(`the phase is "${phase}"`, () => this.said('phase-set').length > before, IN_TIME);
  }

  /** How often it was inside, for each name. */
  async stop(): Promise<Readonly<Record<string, number>>> {
    this.process.send({ to: 'stop' } satisfies WorkerOrder);
    await until('the worker has stopped', () => this.said('stopped').length > 0, IN_TIME);
    running.delete(this);
    return this.said('stopped')[0]?.turns ?? {};
  }
}

/** Each of them has had some more turns: nobody is left out, and nothing stands still. */
async function allGoOn(workers: readonly Worker[]): Promise<void> {
  const before = workers.map(({ turns }) => turns);
  await until(
    'every process has had ten more turns',
    () => workers.every(({ turns }, index) => turns >= (before[index] ?? 0) + 10),
    IN_TIME,
  );
}

/** Nobody met anybody inside, but what a killed process left there, and nobody failed. */
function expectOrder(workers: readonly Worker[], killed: readonly number[] = []): void {
  const collisions = workers.flatMap((worker) => worker.said('collision')).filter((one) => !killed.includes(Number(one.with)));
  expect({ collisions, failures: workers.flatMap((worker) => worker.said('failed')) }).toEqual({ collisions: [], failures: [] });
}

// Each step has its own time; all of them together take as long as the machine needs.
describe('processes under load that move to another store', { timeout: 180_000 }, () => {
  test('one after the other through all phases and back: never two holders, no lost update, no stall', async () => {
    const prefix = `m-${randomUUID()}:`;
    const workers = Array.from({ length: 4 }, () => new Worker(prefix, 'from'));
    await allGoOn(workers);
    for (const phase of ['both', 'to', 'both', 'from'] as const) {
      for (const worker of workers) {
        await worker.setPhase(phase);
        await allGoOn(workers);
      }
    }
    const turns = await Promise.all(workers.map((worker) => worker.stop()));
    expectOrder(workers);
    for (const name of NAMES) {
      const sum = turns.reduce((total, counts) => total + (counts[name] ?? 0), 0);
      expect(Number(await redis.get(`${prefix}count:${name}`))).toBe(sum);
    }
    const longest = Math.max(...workers.flatMap((worker) => worker.said('progress').map(({ longestWaitMs }) => longestWaitMs)));
    expect(longest).toBeLessThan(STALL_MS);
    const left = (await redis.keys(`*${prefix}*`)).filter((key) => !/(?:count|inside):/.test(key));
    expect(left).toEqual([]);
  });

  test('by restarts, some of them in the midst of work: what a killed process holds ends on both sides', async () => {
    const prefix = `m-${randomUUID()}:`;
    const all: Worker[] = [];
    const start = (phase: MigrationPhase): Worker => {
      const worker = new Worker(prefix, phase, { ttlMs: TTL_MS });
      all.push(worker);
      return worker;
    };
    let workers = Array.from({ length: 3 }, () => start('from'));
    await allGoOn(workers);
    const killed: number[] = [];
    for (const phase of ['both', 'to'] as const) {
      for (const old of workers) {
        // At work, and not between two turns: what it holds is left behind.
        await until('it is inside', async () => {
          const inside = await redis.mget(NAMES.map((name) => `${prefix}inside:${name}`));
          return inside.includes(`${old.process.pid}`);
        });
        killed.push(old.process.pid);
        await old.process.kill();
        running.delete(old);
        workers = [...workers.filter((worker) => worker !== old), start(phase)];
        await allGoOn(workers);
      }
    }
    await Promise.all(workers.map((worker) => worker.stop()));
    expectOrder(all, killed);
    const longest = Math.max(...all.flatMap((worker) => worker.said('progress').map(({ longestWaitMs }) => longestWaitMs)));
    expect(longest).toBeLessThan(STALL_MS);
    await until('what the killed held has ended', async () => {
      const left = await redis.keys(`*${prefix}*`);
      return left.every((key) => /(?:count|inside):/.test(key));
    });
  });

  test('without the phase between they would not exclude each other: that is what this test can see', async () => {
    const prefix = `m-${randomUUID()}:`;
    const [old, early] = [new Worker(prefix, 'from'), new Worker(prefix, 'to')];
    await until('they have met inside', () => [old, early].some((worker) => worker.said('collision').length > 0), IN_TIME);
    await Promise.all([old.stop(), early.stop()]);
  });

  test('a process that was forgotten in the old phase is reported', async () => {
    const prefix = `m-${randomUUID()}:`;
    // A hold of a few milliseconds cannot be distinguished from one that is between its two steps.
    const [forgotten, moved] = [new Worker(prefix, 'from', { longestHoldMs: 800 }), new Worker(prefix, 'both')];
    await until('the one that has moved tells', () => moved.said('event').length > 0, IN_TIME);
    expect(moved.said('event')[0]?.event).toMatchObject({ type: 'one-sided', free: 'to', busy: 'from' });
    await Promise.all([forgotten.stop(), moved.stop()]);
    expectOrder([forgotten, moved]);
  });
});
