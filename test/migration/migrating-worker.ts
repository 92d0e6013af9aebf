import { randomInt } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { createMigratingLockManager, type MigratingLockManager, type MigrationEvent, type MigrationPhase } from '@holdfast/migration';
import { createRedisLockManager } from '@holdfast/redis';
import { Redis } from 'ioredis';

/** What this process can be asked to do. */
export type WorkerOrder = { readonly to: 'set-phase'; readonly phase: MigrationPhase } | { readonly to: 'stop' };

/** What it says. */
export type WorkerMessage =
  | { readonly type: 'started' }
  /** Every so often: how many turns it has had, and the longest that it has waited for one. */
  | { readonly type: 'progress'; readonly turns: number; readonly longestWaitMs: number }
  | { readonly type: 'phase-set'; readonly phase: MigrationPhase }
  /** The place was not empty when it came: two were inside. */
  | { readonly type: 'collision'; readonly name: string; readonly with: string }
  | { readonly type: 'event'; readonly event: MigrationEvent }
  | { readonly type: 'failed'; readonly error: string }
  | { readonly type: 'stopped'; readonly turns: Readonly<Record<string, number>> };

const [url = '', prefix = '', phase = 'from', nameList = '', ttlMs = '10000', longestHoldMs = '4'] = process.argv.slice(2);
const names = nameList.split(',');
const redis = new Redis(url);
const turns: Record<string, number> = Object.fromEntries(names.map((name) => [name, 0]));
let longestWaitMs = 0;
let isStopping = false;

const manager: MigratingLockManager = createMigratingLockManager({
  from: createRedisLockManager({ url, prefix: `${prefix}old:` }),
  to: createRedisLockManager({ url, prefix: `${prefix}new:`, fair: true }),
  phase: phase as MigrationPhase,
  ttlMs: Number(ttlMs),
  onMigrationEvent: (event) => say({ type: 'event', event }),
});

function say(message: WorkerMessage): void {
  process.send?.(message);
}

/** Takes one lock after another; under each it reads a counter, does something else, and writes it. */
async function work(): Promise<void> {
  while (!isStopping) {
    const name = names[randomInt(names.length)] ?? '';
    const askedAt = performance.now();
    await manager.withLock(name, async (lease) => {
      longestWaitMs = Math.max(longestWaitMs, performance.now() - askedAt);
      const before = await redis.set(`${prefix}inside:${name}`, `${process.pid}`, 'GET');
      if (before !== null && before !== '') say({ type: 'collision', name, with: before });
      const count = Number(await redis.get(`${prefix}count:${name}`));
      await sleep(randomInt(Number(longestHoldMs)));
      // Without a look at the lease a process that was stopped here would write late; this one is killed, never stopped.
      lease.assertHeld();
      await redis.set(`${prefix}count:${name}`, count + 1);
      await redis.set(`${prefix}inside:${name}`, '');
      turns[name] = (turns[name] ?? 0) + 1;
    });
    await sleep(randomInt(3));
  }
}

async function obey(order: WorkerOrder): Promise<void> {
  if (order.to === 'set-phase') {
    await manager.setPhase(order.phase);
    say({ type: 'phase-set', phase: order.phase });
    return;
  }
  isStopping = true;
  await working;
  await manager.close();
  redis.disconnect();
  say({ type: 'stopped', turns });
  process.disconnect();
}

function fail(error: unknown): void {
  say({ type: 'failed', error: error instanceof Error ? `${error.name}: ${error.message}` : String(error) });
}

const timer = setInterval(() => {
  const total = Object.values(turns).reduce((sum, count) => sum + count, 0);
  say({ type: 'progress', turns: total, longestWaitMs });
}, 50);
timer.unref();
// Two at a time, so that the process's own queue is under load as well.
const working = Promise.all([work(), work()]).then(() => {}, fail);
process.on('message', (order: WorkerOrder) => void obey(order).catch(fail));
process.once('disconnect', () => process.exit(0));
say({ type: 'started' });
