import { LockUnavailableError } from '@holdfast/core';
import { createJobLockManager } from '@holdfast/jobs';
import { describe, expect, it } from 'vitest';
import { twoServers, withMarks } from './two-servers.js';

const HOUR_MS = 3_600_000;
const away = (): Promise<never> => Promise.reject(new LockUnavailableError('refused', { backend: 'memory', retryable: false }));

describe('a store that is away for a moment as the work ends', () => {
  it('costs no second run: the mark is written when it is back, and nobody gets in before', async () => {
    await using servers = twoServers({}, { manual: true });
    const [mine, theirs] = servers.jobs;
    const seen: unknown[] = [];
    let runs = 0;
    const run = mine.runOnce('job', { windowMs: HOUR_MS }, () => {
      servers.links[0].disconnect();
      runs += 1;
      servers.after(300, () => {
        void theirs.runOnce('job', { windowMs: HOUR_MS }, () => 0).then((other) => seen.push(other));
      });
      servers.after(400, () => servers.links[0].reconnect());
      return runs;
    });
    expect(await servers.inTime(run)).toEqual({ ran: true, value: 1 });
    expect(seen).toEqual([{ ran: false, because: 'busy' }]);
    expect(await theirs.runOnce('job', { windowMs: HOUR_MS }, () => 0)).toEqual({ ran: false, because: 'not-due' });
  });

  it.each(['silent', 'loud'])('nor does one that loses replies, or answers nothing: %s', async (how) => {
    await using servers = twoServers({}, { manual: true });
    const [mine, theirs] = servers.jobs;
    const run = mine.processOnce('order:7', () => {
      servers.links[0].failNext('setMark', { performed: true });
      servers.links[0].disconnect({ silent: how === 'silent' });
      servers.after(300, () => servers.links[0].reconnect());
      return 'shipped';
    });
    expect(await servers.inTime(run)).toEqual({ ran: true, value: 'shipped' });
    expect(await theirs.processOnce('order:7', () => 0)).toEqual({ ran: false, because: 'done' });
  });

  it('nor one that refuses permanently, as long as it does not do so for a whole ttl', async () => {
    await using servers = twoServers({}, { manual: true });
    let refusals = 3;
    const locks = withMarks(servers.locks[0], (marks) => ({
      set: (name, options) => (refusals-- > 0 ? away() : marks.set(name, options)),
    }));
    const run = createJobLockManager(locks).runOnce('job', { windowMs: HOUR_MS }, () => 1);
    expect(await servers.inTime(run)).toEqual({ ran: true, value: 1 });
    expect(await servers.jobs[1].runOnce('job', { windowMs: HOUR_MS }, () => 1)).toEqual({ ran: false, because: 'not-due' });
  });

  it('does not make the window longer: a late try keeps the end that the first had', async () => {
    await using servers = twoServers({}, { manual: true });
    const { clock } = servers;
    const endsAt = clock.now() + 60_000;
    await servers.inTime(
      servers.jobs[0].runOnce('job', { windowMs: 60_000 }, () => {
        servers.links[0].disconnect();
        servers.after(500, () => servers.links[0].reconnect());
      }),
    );
    expect(clock.now()).toBeGreaterThanOrEqual(endsAt - 60_000 + 500);
    expect((await servers.locks[1].marks?.get('once/job'))?.remainingMs).toBe(endsAt - clock.now());
  });

  it('does not let the least time of an element, or of a failed run, slip', async () => {
    await using servers = twoServers({ lockAtLeastMs: HOUR_MS }, { manual: true });
    const [mine, theirs] = servers.jobs;
    const blip = (): void => {
      servers.links[0].disconnect();
      servers.after(300, () => servers.links[0].reconnect());
    };
    await mine.lock('mails', '42');
    blip();
    expect(await servers.inTime(mine.unlock('mails', '42'))).toBe(true);
    expect(await theirs.lock('mails', '42')).toBe(false);
    const failure = new Error('smtp');
    const failing = mine.runOnce('report', { windowMs: HOUR_MS, lockAtLeastMs: HOUR_MS }, () => {
      blip();
      throw failure;
    });
    await expect(servers.inTime(failing)).rejects.toBe(failure);
    expect(await theirs.runOnce('report', { windowMs: HOUR_MS }, () => 1)).toEqual({ ran: false, because: 'not-due' });
  });

  it('does not fail the items of a batch', async () => {
    await using servers = twoServers({}, { manual: true });
    const options = { key: String, retentionMs: HOUR_MS, concurrency: 3 };
    const batch = servers.jobs[0].forEachExclusive([1, 2, 3, 4, 5], options, (item) => {
      if (item === 3) {
        servers.links[0].disconnect();
        servers.after(300, () => servers.links[0].reconnect());
      }
    });
    const results = await servers.inTime(batch);
    expect(results.map(({ outcome }) => outcome)).toEqual(Array.from({ length: 5 }, () => 'processed'));
    const again = await servers.jobs[1].forEachExclusive([1, 2, 3, 4, 5], options, () => {});
    expect(again.map(({ outcome }) => outcome)).toEqual(Array.from({ length: 5 }, () => 'done'));
  });

  it('in the midst of a batch is ridden out; for longer, what was not begun says why', async () => {
    await using servers = twoServers({}, { manual: true });
    const items = Array.from({ length: 4 }, (_, index) => index);
    let isBack = false;
    const blip = (item: number): void => {
      if (item !== 1) return;
      servers.links[0].disconnect();
      servers.after(300, () => {
        servers.links[0].reconnect();
        isBack = true;
      });
    };
    const options = { key: String, maxHoldMs: 20_000 };
    const results = await servers.inTime(servers.jobs[0].forEachExclusive(items, options, blip));
    expect(isBack).toBe(true);
    expect(results.map(({ outcome }) => outcome)).toEqual(['processed', 'processed', 'processed', 'processed']);
    // Other names: the release of what ended while the store was away goes on in the background.
    const later = { ...options, key: (item: number) => `later ${item}`, ttlMs: 400 };
    const batch = servers.jobs[0].forEachExclusive(items, later, (item) => {
      if (item === 1) servers.links[0].disconnect();
    });
    const away = await servers.inTime(batch);
    expect(away.slice(2)).toEqual(
      [2, 3].map((item) => ({
        item,
        outcome: 'not-started',
        error: expect.objectContaining({ code: 'LOCK_BACKEND_UNAVAILABLE' }) as unknown,
      })),
    );
    servers.links[0].reconnect();
  });

  it('and has ended the lease meanwhile: the lock is taken once more, and the mark written if nobody has done it', async () => {
    await using servers = twoServers({}, { manual: true });
    const [mine, theirs] = servers.jobs;
    const run = mine.runOnce('job', { windowMs: HOUR_MS, ttlMs: 800 }, async () => {
      servers.links[0].disconnect();
      // So the lease ends before the tries do.
      await new Promise<void>((resolve) => servers.after(400, resolve));
      servers.after(700, () => servers.links[0].reconnect());
      return 'done';
    });
    expect(await servers.inTime(run)).toEqual({ ran: true, value: 'done' });
    expect(await theirs.runOnce('job', { windowMs: HOUR_MS }, () => 1)).toEqual({ ran: false, because: 'not-due' });
  });
});

describe('a mark that cannot be written', () => {
  it('is given up after a ttl, through which the lock is kept, and the caller is notified', async () => {
    await using servers = twoServers({}, { manual: true });
    const jobs = createJobLockManager(withMarks(servers.locks[0], () => ({ set: away })));
    const startedAt = servers.clock.now();
    const run = jobs.runOnce('job', { windowMs: HOUR_MS, ttlMs: 600 }, () => 1).catch((error: unknown) => error);
    const others: unknown[] = [];
    servers.after(450, () => void servers.jobs[1].runOnce('job', { windowMs: HOUR_MS }, () => 1).then((other) => others.push(other)));
    expect(await servers.inTime(run)).toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE' });
    expect(servers.clock.now() - startedAt).toBeGreaterThanOrEqual(590);
    expect(servers.clock.now() - startedAt).toBeLessThan(1_000);
    expect(others).toEqual([{ ran: false, because: 'busy' }]);
    expect(await servers.jobs[1].runOnce('job', { windowMs: HOUR_MS }, () => 1)).toEqual({ ran: true, value: 1 });
  });

  it('goes to onMarkFailed where the task’s own error is what the caller sees', async () => {
    await using servers = twoServers({}, { manual: true });
    const told: unknown[] = [];
    const locks = withMarks(servers.locks[0], () => ({ set: away }));
    const jobs = createJobLockManager(locks, {
      onMarkFailed(error, name) {
        told.push([error, name]);
        throw new Error('what an observer throws is its own');
      },
    });
    const failure = new Error('the task failed');
    const options = { windowMs: HOUR_MS, lockAtLeastMs: 60_000, ttlMs: 300 };
    await expect(servers.inTime(jobs.runOnce('job', options, () => Promise.reject(failure)))).rejects.toBe(failure);
    expect(told).toEqual([[expect.objectContaining({ code: 'LOCK_BACKEND_UNAVAILABLE' }), 'once/job']]);
  });

  it('is not given up because the caller aborts', async () => {
    await using servers = twoServers({}, { manual: true });
    const caller = new AbortController();
    const run = servers.jobs[0].runOnce('job', { windowMs: HOUR_MS, signal: caller.signal }, () => {
      servers.links[0].disconnect();
      caller.abort(new Error('the caller has gone'));
      servers.after(200, () => servers.links[0].reconnect());
      return 1;
    });
    expect(await servers.inTime(run)).toEqual({ ran: true, value: 1 });
  });

  it('is given up when the manager is closed, after the time that holders are given', async () => {
    await using servers = twoServers({}, { manual: true });
    const closed: Promise<void>[] = [];
    const run = servers.jobs[0].runOnce('job', { windowMs: HOUR_MS }, () => {
      servers.links[0].disconnect();
      closed.push(servers.locks[0].close({ drainMs: 300 }));
    });
    const startedAt = servers.clock.now();
    await expect(servers.inTime(run)).rejects.toMatchObject({ code: 'LOCK_LOST', reason: 'closed' });
    expect(servers.clock.now() - startedAt).toBeGreaterThanOrEqual(290);
    expect(servers.clock.now() - startedAt).toBeLessThan(1_000);
    await servers.inTime(Promise.all(closed));
  });

  it('is written by a holder that is given time to end while the manager closes', async () => {
    await using servers = twoServers({}, { manual: true });
    const [mine, theirs] = servers.jobs;
    let closing: Promise<void> | undefined;
    const run = mine.runOnce('job', { windowMs: HOUR_MS }, () => {
      closing = servers.locks[0].close({ drainMs: 5_000 });
      return 1;
    });
    expect(await servers.inTime(run)).toEqual({ ran: true, value: 1 });
    await closing;
    expect(await theirs.runOnce('job', { windowMs: HOUR_MS }, () => 1)).toEqual({ ran: false, because: 'not-due' });
  });

  it('leaves an element locked, to be marked once more, while its lease stands', async () => {
    await using servers = twoServers({}, { manual: true });
    let isAway = true;
    const locks = withMarks(servers.locks[0], (marks) => ({ set: (name, options) => (isAway ? away() : marks.set(name, options)) }));
    const mine = createJobLockManager(locks, { ttlMs: 300 });
    await mine.lock('job', 'a');
    await expect(servers.inTime(mine.successfullyProcessed('job', 'a'))).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE' });
    expect([mine.leaseOf('job', 'a')?.isHeld, await servers.jobs[1].lock('job', 'a')]).toEqual([true, false]);
    isAway = false;
    await mine.successfullyProcessed('job', 'a');
    expect(await servers.jobs[1].lock('job', 'a')).toBe(false);
  });
});

describe('at most once, with the reply lost', () => {
  const options = { windowMs: HOUR_MS, guarantee: 'at-most-once' } as const;

  it('the task runs: asked once more, the mark is known to be one’s own', async () => {
    await using servers = twoServers({}, { manual: true });
    servers.links[0].failNext('setMark', { performed: true });
    expect(await servers.inTime(servers.jobs[0].runOnce('job', options, () => 1))).toEqual({ ran: true, value: 1 });
    expect(await servers.jobs[1].runOnce('job', options, () => 2)).toEqual({ ran: false, because: 'not-due' });
  });

  it('permanently: nothing runs, the next call here goes on, and another process hears that it is not due', async () => {
    await using servers = twoServers({}, { manual: true });
    let isAway = true;
    const locks = withMarks(servers.locks[0], (marks) => ({
      async set(name, mark) {
        const isSet = await marks.set(name, mark);
        return isAway ? away() : isSet;
      },
    }));
    const mine = createJobLockManager(locks);
    let runs = 0;
    const run = (): Promise<unknown> => mine.runOnce('job', { ...options, ttlMs: 300 }, () => (runs += 1));
    await expect(servers.inTime(run())).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE' });
    expect(runs).toBe(0);
    expect(await servers.jobs[1].runOnce('job', options, () => 2)).toEqual({ ran: false, because: 'not-due' });
    isAway = false;
    expect(await servers.inTime(run())).toEqual({ ran: true, value: 1 });
    expect(await servers.inTime(run())).toEqual({ ran: false, because: 'not-due' });
  });

  it('for a good part of a short window: the claim is given up, and the next window is not kept waiting', async () => {
    await using servers = twoServers({}, { manual: true });
    let isAway = true;
    const locks = withMarks(servers.locks[0], (marks) => ({ set: (name, mark) => (isAway ? away() : marks.set(name, mark)) }));
    const startedAt = servers.clock.now();
    const run = createJobLockManager(locks).runOnce('job', { windowMs: 2_000, guarantee: 'at-most-once', ttlMs: 60_000 }, () => 1);
    await expect(servers.inTime(run)).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE' });
    expect(servers.clock.now() - startedAt).toBeGreaterThanOrEqual(490);
    expect(servers.clock.now() - startedAt).toBeLessThan(2_000);
    isAway = false;
    expect(await servers.jobs[1].runOnce('job', options, () => 2)).toEqual({ ran: true, value: 2 });
  });

  it('and its lease lost before it could start: the next call goes on', async () => {
    await using servers = twoServers({}, { manual: true });
    let isForced = false;
    const locks = withMarks(servers.locks[0], (marks) => ({
      async set(name, mark) {
        const isSet = await marks.set(name, mark);
        if (!isForced) isForced = await servers.locks[0].forceRelease(name);
        return isSet;
      },
    }));
    const mine = createJobLockManager(locks);
    const runs: number[] = [];
    const run = (): Promise<unknown> => mine.processOnce('order:7', { guarantee: 'at-most-once' }, () => runs.push(1));
    await expect(servers.inTime(run())).rejects.toMatchObject({ code: 'LOCK_LOST' });
    expect(runs).toEqual([]);
    expect(await servers.inTime(run())).toEqual({ ran: true, value: 1 });
  });
});
