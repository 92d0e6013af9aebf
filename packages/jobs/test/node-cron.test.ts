import type { createJobLockManager } from '@holdfast/jobs';
import { createRunCoordinator, type RunCoordinator } from '@holdfast/jobs/node-cron';
import { until } from '@holdfast/test/servers';
import { type Logger, schedule, type ScheduledTask, type TaskContext, type TaskOptions } from 'node-cron';
import { describe, expect, it, onTestFinished } from 'vitest';
import { twoServers } from './two-servers.js';

const EVERY_SECOND = '* * * * * *';
const IN_TIME = { timeoutMs: 20_000 };
const silent: Logger = { info() {}, warn() {}, error() {}, debug() {} };

/** A task as each server has it. */
function every(second: (context: TaskContext) => unknown, runCoordinator: RunCoordinator, options: TaskOptions = {}): ScheduledTask {
  const task = schedule(EVERY_SECOND, second, { name: 'report', distributed: true, runCoordinator, logger: silent, ...options });
  onTestFinished(() => task.destroy());
  return task;
}

describe('a distributed task of node-cron', () => {
  it('runs on one server each time that it is due, and another is notified that it was not elected', { timeout: 30_000 }, async () => {
    await using servers = twoServers();
    const ran: string[] = [];
    const skipped: unknown[] = [];
    for (const jobs of servers.jobs) {
      const task = every(({ date }) => ran.push(date.toISOString()), createRunCoordinator(jobs));
      task.on('execution:skipped', ({ reason }) => void skipped.push(reason));
    }
    await until('it has run three times, and was left out as often', () => ran.length >= 3 && skipped.length >= 3, IN_TIME);
    expect(new Set(ran).size).toBe(ran.length);
    expect(new Set(skipped)).toEqual(new Set(['not-elected']));
  });

  it('has its lock while it runs, is not run by another after it has failed, and frees the lock', { timeout: 30_000 }, async () => {
    await using servers = twoServers();
    const [mine, theirs] = servers.jobs.map((jobs) => createRunCoordinator(jobs));
    if (mine === undefined || theirs === undefined) throw new Error('two servers');
    const seen: unknown[] = [];
    const failing = async ({ date }: TaskContext): Promise<never> => {
      const key = `report:${date.toISOString()}`;
      seen.push([(await servers.locks[1].inspect(`once/${key}`)).held, await theirs.shouldRun(key, 30_000)]);
      throw new Error('failed');
    };
    every(failing, mine, { maxExecutions: 1 });
    await until('it has failed', () => seen.length > 0, IN_TIME);
    expect(seen[0]).toEqual([true, false]);
    const names: string[] = [];
    for await (const { name } of servers.locks[1].marks?.list() ?? []) names.push(name);
    const [name = ''] = names;
    await until('the lock is free', async () => !(await servers.locks[1].inspect(name)).held);
    expect(await theirs.shouldRun(name.replace('once/', ''), 30_000)).toBe(false);
  });

  it('is left out where the store does not answer, and says why', { timeout: 30_000 }, async () => {
    await using servers = twoServers();
    servers.links[0].disconnect();
    let ran = 0;
    const reasons: unknown[] = [];
    every(() => (ran += 1), createRunCoordinator(servers.jobs[0])).on('execution:skipped', ({ reason }) => void reasons.push(reason));
    await until('it was left out', () => reasons.length > 0, IN_TIME);
    expect([ran, reasons[0]]).toEqual([0, 'coordinator-error']);
  });
});

describe('a run coordinator', () => {
  it('tells at the end of a run that its lock was lost', async () => {
    await using servers = twoServers();
    const coordinator = createRunCoordinator(servers.jobs[0]);
    expect(await coordinator.shouldRun('report:1', 300)).toBe(true);
    expect(await servers.locks[1].forceRelease('once/report:1')).toBe(true);
    await expect(coordinator.onComplete('report:1')).rejects.toMatchObject({ code: 'LOCK_LOST' });
    // What is not known, or has ended, is nothing to complain about.
    await coordinator.onComplete('report:1');
    await coordinator.onComplete('never');
  });

  it('remembers for as long as it is asked to', async () => {
    await using servers = twoServers();
    const [mine, theirs] = servers.jobs.map((jobs) => createRunCoordinator(jobs, { retentionMs: 1_500 }));
    expect(await mine?.shouldRun('report:1', 100)).toBe(true);
    await mine?.onComplete('report:1');
    expect(await theirs?.shouldRun('report:1', 100)).toBe(false);
    await until('it is forgotten', () => theirs?.shouldRun('report:1', 100) ?? false);
    await theirs?.onComplete('report:1');
  });

  it('rejects where the manager is closed, and for a key that is no name', async () => {
    await using servers = twoServers();
    const coordinator = createRunCoordinator(servers.jobs[0]);
    for (const key of ['', 'x'.repeat(600), undefined as never]) {
      await expect(coordinator.shouldRun(key, 1_000)).rejects.toMatchObject({ code: 'LOCK_INVALID_ARGUMENT' });
    }
    await expect(coordinator.shouldRun('report:1', Number.NaN)).rejects.toMatchObject({ code: 'LOCK_INVALID_ARGUMENT' });
    await servers.locks[0].close();
    await expect(coordinator.shouldRun('report:1', 1_000)).rejects.toMatchObject({ code: 'LOCK_CLOSED' });
    await coordinator.onComplete('report:1');
  });

  it('refuses a lock manager in place of job locks', async () => {
    await using servers = twoServers();
    expect(() => createRunCoordinator(servers.locks[0] as never)).toThrow(expect.objectContaining({ option: 'jobLocks' }));
  });

  it('checks what it is given', () => {
    const invalid = { code: 'LOCK_INVALID_ARGUMENT' };
    expect(() => createRunCoordinator(undefined as never)).toThrow(expect.objectContaining({ ...invalid, option: 'jobLocks' }));
    const jobs = { async runOnce() {} } as unknown as ReturnType<typeof createJobLockManager>;
    expect(() => createRunCoordinator(jobs, { retentionMs: 0 })).toThrow(expect.objectContaining({ ...invalid, option: 'retentionMs' }));
    expect(() => createRunCoordinator(jobs, { ttl: 1 } as never)).toThrow(expect.objectContaining({ ...invalid, option: 'ttl' }));
  });
});
