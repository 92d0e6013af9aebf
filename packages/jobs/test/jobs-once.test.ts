import { createJobLockManager } from '@holdfast/jobs';
import { describe, expect, it } from 'vitest';
import { adaptLegacyLock } from '@holdfast/migration';
import { until } from '@holdfast/test/servers';
import { twoServers } from './two-servers.js';

const HOUR_MS = 3_600_000;

describe('runOnce', () => {
  it('runs a task once a window over all instances, under a lease', async () => {
    await using servers = twoServers();
    const ran: number[] = [];
    const runs = await Promise.all(
      servers.jobs.map((jobs, index) =>
        jobs.runOnce('statistics', { windowMs: HOUR_MS }, ({ fencingToken, isHeld }) => {
          ran.push(index);
          expect([typeof fencingToken, isHeld]).toEqual(['bigint', true]);
          return index;
        }),
      ),
    );
    expect(ran).toHaveLength(1);
    expect(runs).toContainEqual({ ran: true, value: ran[0] });
    for (const jobs of servers.jobs) {
      expect(await jobs.runOnce('statistics', { windowMs: HOUR_MS }, () => ran.push(9))).toEqual({ ran: false, because: 'not-due' });
      expect(await jobs.runOnce('other', { windowMs: HOUR_MS }, () => 1)).toMatchObject(
        jobs === servers.jobs[0] ? { ran: true } : { ran: false },
      );
    }
    expect(ran).toHaveLength(1);
  });

  it('says when it runs elsewhere now', async () => {
    await using servers = twoServers();
    const [mine, theirs] = servers.jobs;
    await mine.runOnce('job', { windowMs: HOUR_MS }, async () => {
      expect(await theirs.runOnce('job', { windowMs: HOUR_MS }, () => 1)).toEqual({ ran: false, because: 'busy' });
    });
  });

  it('counts the window from the start of the run, and runs again after it', async () => {
    await using servers = twoServers({}, { manual: true });
    const { clock } = servers;
    const [mine, theirs] = servers.jobs;
    const run = mine.runOnce('job', { windowMs: 400 }, () => new Promise<void>((resolve) => servers.after(200, resolve)));
    await clock.advance(200);
    expect(await run).toMatchObject({ ran: true });
    await clock.advance(199);
    expect(await theirs.runOnce('job', { windowMs: 400 }, () => 1)).toEqual({ ran: false, because: 'not-due' });
    await clock.advance(1);
    expect(await theirs.runOnce('job', { windowMs: 400 }, () => 1)).toEqual({ ran: true, value: 1 });
  });

  it('needs no mark after a run that was longer than its window', async () => {
    await using servers = twoServers();
    await servers.jobs[0].runOnce('job', { windowMs: 20 }, () => new Promise((resolve) => setTimeout(resolve, 40)));
    expect(await servers.jobs[1].runOnce('job', { windowMs: 20 }, () => 1)).toEqual({ ran: true, value: 1 });
  });

  it('leaves a failed run to be tried again, at once or after lockAtLeastMs', async () => {
    await using servers = twoServers({}, { manual: true });
    const [mine, theirs] = servers.jobs;
    const failure = new Error('the task failed');
    await expect(mine.runOnce('job', { windowMs: HOUR_MS }, () => Promise.reject(failure))).rejects.toBe(failure);
    expect(await theirs.runOnce('job', { windowMs: HOUR_MS }, () => 1)).toEqual({ ran: true, value: 1 });
    const options = { windowMs: HOUR_MS, lockAtLeastMs: 300 };
    await expect(mine.runOnce('again', options, () => Promise.reject(failure))).rejects.toBe(failure);
    await servers.clock.advance(299);
    expect(await theirs.runOnce('again', options, () => 1)).toEqual({ ran: false, because: 'not-due' });
    await servers.clock.advance(1);
    expect(await theirs.runOnce('again', options, () => 1)).toEqual({ ran: true, value: 1 });
  });

  it('at most once: the window counts as used before the task starts', async () => {
    await using servers = twoServers();
    const [mine, theirs] = servers.jobs;
    const options = { windowMs: HOUR_MS, guarantee: 'at-most-once' } as const;
    await expect(mine.runOnce('job', options, () => Promise.reject(new Error('failed')))).rejects.toThrow('failed');
    expect(await theirs.runOnce('job', options, () => 1)).toEqual({ ran: false, because: 'not-due' });
  });

  it('does not run when the store is out of reach, and says so', async () => {
    await using servers = twoServers();
    servers.links[0].disconnect();
    let ran = false;
    const run = servers.jobs[0].runOnce('job', { windowMs: HOUR_MS }, () => {
      ran = true;
    });
    await expect(run).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE' });
    expect(ran).toBe(false);
  });

  it('does not start when its lease was lost before the store has said whether it is due', async () => {
    await using servers = twoServers();
    const [mine, theirs] = servers.jobs;
    const answer = servers.links[0].stallNext('hasMark', { at: 'reply' });
    let ran = false;
    const run = mine.runOnce('job', { windowMs: HOUR_MS, ttlMs: 200, renew: false }, () => {
      ran = true;
    });
    const outcome = run.catch((error: unknown) => error);
    await until('the lease has ended', async () => (await theirs.runOnce('job', { windowMs: HOUR_MS }, () => 1)).ran);
    answer.resume();
    expect(await outcome).toMatchObject({ code: 'LOCK_LOST' });
    expect(ran).toBe(false);
  });

  it('whose lease was lost meanwhile leaves no mark, and rejects with the outcome', async () => {
    await using servers = twoServers();
    const [mine, theirs] = servers.jobs;
    const run = mine.runOnce('job', { windowMs: HOUR_MS }, async () => {
      await servers.locks[1].forceRelease('once/job');
      return 'done';
    });
    await expect(run).rejects.toMatchObject({ code: 'LOCK_LOST' });
    expect(await theirs.runOnce('job', { windowMs: HOUR_MS }, () => 1)).toEqual({ ran: true, value: 1 });
  });

  it('says that its mark could not be written', async () => {
    await using servers = twoServers();
    const run = servers.jobs[0].runOnce('job', { windowMs: HOUR_MS, ttlMs: 1_000 }, () => servers.links[0].disconnect());
    await expect(run).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE' });
    servers.links[0].reconnect();
  });
});

describe('processOnce', () => {
  it('processes each message once, for each kind of consumer', async () => {
    await using servers = twoServers();
    const [mine, theirs] = servers.jobs;
    const first = await mine.processOnce('order:7', async () => {
      expect(await theirs.processOnce('order:7', () => 2)).toEqual({ ran: false, because: 'busy' });
      return 1;
    });
    expect(first).toEqual({ ran: true, value: 1 });
    expect(await theirs.processOnce('order:7', () => 3)).toEqual({ ran: false, because: 'done' });
    expect(await theirs.processOnce('order:7', { consumer: 'mailer' }, () => 4)).toEqual({ ran: true, value: 4 });
    expect(await theirs.processOnce('order:8', { retentionMs: 1_000 }, () => 5)).toEqual({ ran: true, value: 5 });
  });

  it('leaves a message that failed to be delivered again, or not: as was asked for', async () => {
    await using servers = twoServers();
    const [mine, theirs] = servers.jobs;
    const fail = () => Promise.reject(new Error('failed'));
    await expect(mine.processOnce('a', fail)).rejects.toThrow('failed');
    expect(await theirs.processOnce('a', () => 1)).toEqual({ ran: true, value: 1 });
    await expect(mine.processOnce('b', { guarantee: 'at-most-once' }, fail)).rejects.toThrow('failed');
    expect(await theirs.processOnce('b', { guarantee: 'at-most-once' }, () => 1)).toEqual({ ran: false, because: 'done' });
  });

  it('does not take one message for another, however ids are spelled', async () => {
    await using servers = twoServers();
    const [jobs] = servers.jobs;
    expect(await jobs.processOnce('c', { consumer: 'a/b' }, () => 1)).toMatchObject({ ran: true });
    expect(await jobs.processOnce('b/c', { consumer: 'a' }, () => 1)).toMatchObject({ ran: true });
    expect(await jobs.processOnce('c', { consumer: 'a%2Fb' }, () => 1)).toMatchObject({ ran: true });
  });
});

describe('without marks', () => {
  it('what needs them is refused before anything is locked', async () => {
    await using locks = adaptLegacyLock({ tryLock: () => true, unlock: () => true });
    const jobs = createJobLockManager(locks);
    const unsupported = { code: 'LOCK_UNSUPPORTED', capability: 'marks' };
    await expect(jobs.runOnce('job', { windowMs: 1 }, () => 1)).rejects.toMatchObject(unsupported);
    await expect(jobs.processOnce('id', () => 1)).rejects.toMatchObject(unsupported);
    await expect(jobs.forEachExclusive([1], { key: String, retentionMs: 1 }, () => 1)).rejects.toMatchObject(unsupported);
    expect(() => createJobLockManager(locks, { lockAtLeastMs: 1 })).toThrow(expect.objectContaining(unsupported));
    expect(await jobs.lock('job', 'element')).toBe(true);
    await expect(jobs.successfullyProcessed('job', 'element')).rejects.toMatchObject(unsupported);
    expect(await jobs.unlock('job', 'element')).toBe(true);
  });
});

it('arguments are checked before any I/O', async () => {
  await using servers = twoServers();
  const [jobs] = servers.jobs;
  servers.links[0].disconnect();
  const invalid = (option: string) => ({ code: 'LOCK_INVALID_ARGUMENT', option });
  await expect(jobs.runOnce('', { windowMs: 1 }, () => 1)).rejects.toMatchObject(invalid('name'));
  await expect(jobs.runOnce('x', {}, () => 1)).rejects.toMatchObject(invalid('windowMs'));
  await expect(jobs.runOnce('x', { windowMs: 1, lockAtLeastMs: 2 }, () => 1)).rejects.toMatchObject(invalid('lockAtLeastMs'));
  await expect(jobs.processOnce('x'.repeat(600), () => 1)).rejects.toMatchObject(invalid('messageId'));
  await expect(jobs.forEachExclusive([1], { key: String, concurrency: 0 }, () => 1)).rejects.toMatchObject(invalid('concurrency'));
  await expect(jobs.forEachExclusive([1], {} as { key: () => string }, () => 1)).rejects.toMatchObject(invalid('key'));
  expect(() => createJobLockManager(servers.locks[0], { retentionMs: 0 })).toThrow(expect.objectContaining(invalid('retentionMs')));
});
