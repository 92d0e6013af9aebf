import { createJobSemaphore } from '@holdfast/jobs';
import { describe, expect, it } from 'vitest';
import { until } from '@holdfast/test/servers';
import { twoServers } from './two-servers.js';

describe('elements of a job', () => {
  it('are locked by one server at a time, also within it', async () => {
    await using servers = twoServers();
    const [mine, theirs] = servers.jobs;
    expect(await mine.lock('invoices', '42')).toBe(true);
    expect([await mine.lock('invoices', '42'), await theirs.lock('invoices', '42'), await theirs.lock('invoices', '43')]).toEqual([
      false,
      false,
      true,
    ]);
    expect(mine.leaseOf('invoices', '42')?.isHeld).toBe(true);
    expect(mine.leaseOf('invoices', '42')?.fencingToken).toBeTypeOf('bigint');
    expect(theirs.leaseOf('invoices', '42')).toBeNull();
    expect(await mine.unlock('invoices', '42')).toBe(true);
    expect(await mine.unlock('invoices', '42')).toBe(false);
    expect(await theirs.lock('invoices', '42')).toBe(true);
  });

  it('that were processed are refused everywhere for the retention time', async () => {
    await using servers = twoServers({ retentionMs: 400 }, { manual: true });
    const [mine, theirs] = servers.jobs;
    expect(await mine.lock('job', 'a')).toBe(true);
    await mine.successfullyProcessed('job', 'a');
    expect([await mine.lock('job', 'a'), await theirs.lock('job', 'a'), mine.leaseOf('job', 'a')]).toEqual([false, false, null]);
    expect(await mine.unlock('job', 'a')).toBe(false);
    await servers.clock.advance(399);
    expect(await theirs.lock('job', 'a')).toBe(false);
    await servers.clock.advance(1);
    expect(await theirs.lock('job', 'a')).toBe(true);
  });

  it('that were unlocked without a mark may be processed again', async () => {
    await using servers = twoServers();
    const [mine, theirs] = servers.jobs;
    await mine.lock('job', 'a');
    await mine.unlock('job', 'a');
    expect(await theirs.lock('job', 'a')).toBe(true);
  });

  it.each(['unlock', 'successfullyProcessed'] as const)('whose lease was lost: %s rejects, and no mark is left', async (end) => {
    await using servers = twoServers();
    const [mine, theirs] = servers.jobs;
    await mine.lock('job', 'a');
    expect(await servers.locks[1].forceRelease('job/job/a')).toBe(true);
    expect(await theirs.lock('job', 'a')).toBe(true);
    await expect(mine[end]('job', 'a')).rejects.toMatchObject({ code: 'LOCK_LOST' });
    expect(theirs.leaseOf('job', 'a')?.isHeld).toBe(true);
    expect(await theirs.unlock('job', 'a')).toBe(true);
    expect(await mine.lock('job', 'a')).toBe(true);
  });

  it('whose lease was lost stay refused here until their flow has ended: it must not free the next one’s', async () => {
    await using servers = twoServers({ ttlMs: 200 });
    const [mine] = servers.jobs;
    await mine.lock('job', 'a');
    await servers.locks[1].forceRelease('job/job/a');
    await until('the loss is noticed', () => mine.leaseOf('job', 'a')?.signal.aborted === true);
    expect(await mine.lock('job', 'a')).toBe(false);
    await expect(mine.unlock('job', 'a')).rejects.toMatchObject({ code: 'LOCK_LOST' });
    expect(await mine.lock('job', 'a')).toBe(true);
  });

  it('whose lease ends while the store does not answer were lost, and not only out of reach', async () => {
    await using servers = twoServers({ ttlMs: 300 }, { manual: true });
    const [mine, theirs] = servers.jobs;
    await mine.lock('job', 'a');
    servers.links[0].disconnect({ silent: true });
    // Little of the lease is left.
    await servers.clock.advance(220);
    const marked = servers.inTime(mine.successfullyProcessed('job', 'a'));
    await expect(marked).rejects.toMatchObject({ code: 'LOCK_LOST', reason: 'deadline' });
    servers.links[0].reconnect();
    expect(mine.leaseOf('job', 'a')).toBeNull();
    await servers.clock.advance(1_000);
    expect(await theirs.lock('job', 'a')).toBe(true);
  });

  it('whose lease ends while the mark is on its way were lost, and the cause says that the mark may stand', async () => {
    await using servers = twoServers({ ttlMs: 300 }, { manual: true });
    const [mine, theirs] = servers.jobs;
    await mine.lock('job', 'a');
    const answer = servers.links[0].stallNext('setMark', { at: 'reply' });
    const marking = mine.successfullyProcessed('job', 'a');
    await answer.reached;
    expect(await servers.locks[1].marks?.has('job/job/a')).toBe(true);
    servers.links[0].disconnect({ silent: true });
    await expect(servers.inTime(marking)).rejects.toMatchObject({
      code: 'LOCK_LOST',
      reason: 'deadline',
      cause: { code: 'LOCK_BACKEND_UNAVAILABLE' },
    });
    expect(await theirs.lock('job', 'a')).toBe(false);
  });

  it('are not locked while the store is out of reach, and the caller sees why', async () => {
    await using servers = twoServers();
    servers.links[0].disconnect();
    await expect(servers.jobs[0].lock('job', 'a')).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE' });
    servers.links[0].reconnect();
    await until('nothing is left locked', () => servers.jobs[1].lock('job', 'a'));
  });

  it('stay refused for lockAtLeastMs, against schedulers whose clocks differ', async () => {
    await using servers = twoServers({ lockAtLeastMs: 400 }, { manual: true });
    const [mine, theirs] = servers.jobs;
    await mine.lock('job', 'a');
    await servers.clock.advance(100);
    await mine.unlock('job', 'a');
    await servers.clock.advance(299);
    expect(await theirs.lock('job', 'a')).toBe(false);
    await servers.clock.advance(1);
    expect(await theirs.lock('job', 'a')).toBe(true);
  });

  it('stay refused for lockAtLeastMs also where their mark would be gone before', async () => {
    await using servers = twoServers({ lockAtLeastMs: 400, retentionMs: 1 }, { manual: true });
    const [mine, theirs] = servers.jobs;
    await mine.lock('job', 'a');
    await mine.successfullyProcessed('job', 'a');
    await servers.clock.advance(399);
    expect(await theirs.lock('job', 'a')).toBe(false);
    await servers.clock.advance(1);
    expect(await theirs.lock('job', 'a')).toBe(true);
  });

  it('must have been locked to be processed', async () => {
    await using servers = twoServers();
    await expect(servers.jobs[0].successfullyProcessed('job', 'a')).rejects.toMatchObject({ code: 'LOCK_INVALID_ARGUMENT' });
  });
});

describe('forEachExclusive', () => {
  it('processes what it could lock, in one round trip, and tells what came of each', async () => {
    await using servers = twoServers();
    const [mine] = servers.jobs;
    const busy = await servers.locks[1].acquire('batch/mails/b');
    servers.links[0].resetCalls();
    const failure = new Error('bounced');
    const results = await mine.forEachExclusive(['a', 'b', 'c', 'd'], { job: 'mails', key: (item) => item }, (item, lease) => {
      expect([lease.name, lease.isHeld]).toEqual([`batch/mails/${item}`, true]);
      if (item === 'c') throw failure;
      return item.toUpperCase();
    });
    expect(results).toEqual([
      { item: 'a', outcome: 'processed', value: 'A' },
      { item: 'b', outcome: 'busy' },
      { item: 'c', outcome: 'failed', error: failure },
      { item: 'd', outcome: 'processed', value: 'D' },
    ]);
    expect(servers.links[0].calls.attempt).toBe(1);
    await busy.release();
    expect(await servers.locks[1].tryAcquire('batch/mails/a')).not.toBeNull();
  });

  it('runs as many tasks at a time as it may, and frees each item as soon as it is done', async () => {
    await using servers = twoServers();
    let [inside, most] = [0, 0];
    const items = Array.from({ length: 9 }, (_, index) => index);
    await servers.jobs[0].forEachExclusive(items, { key: String, concurrency: 3 }, async (item) => {
      inside += 1;
      most = Math.max(most, inside);
      await new Promise((resolve) => setTimeout(resolve, 10));
      if (item === 8) expect(await servers.locks[1].tryAcquire('batch/default/0')).not.toBeNull();
      inside -= 1;
    });
    expect(most).toBe(3);
  });

  it('remembers what was processed where it is asked to', async () => {
    await using servers = twoServers();
    const options = { key: String, retentionMs: 60_000 };
    await servers.jobs[0].forEachExclusive([1, 2], options, (item) => {
      if (item === 2) throw new Error('failed');
    });
    const again = await servers.jobs[1].forEachExclusive([1, 2, 3], options, (item) => item);
    expect(again.map(({ outcome }) => outcome)).toEqual(['done', 'processed', 'processed']);
    expect(await servers.locks[0].tryAcquire('batch/default/1')).not.toBeNull();
  });

  it('processes items of one key one after another, under one lease', async () => {
    await using servers = twoServers();
    const tokens = await servers.jobs[0].forEachExclusive(
      ['x1', 'y1', 'x2'],
      { key: (item) => item.charAt(0), concurrency: Number.POSITIVE_INFINITY },
      (_, { fencingToken }) => fencingToken,
    );
    const [x1, y1, x2] = tokens.map((result) => (result.outcome === 'processed' ? result.value : null));
    expect(x1).toBe(x2);
    expect(x1).not.toBe(y1);
  });

  it('tells the loss of one lease for its item alone', async () => {
    await using servers = twoServers({}, { manual: true });
    const batch = servers.jobs[0].forEachExclusive([1, 2, 3], { key: String, ttlMs: 200 }, async (item, lease) => {
      if (item !== 2) return;
      await servers.locks[1].forceRelease('batch/default/2');
      await new Promise((resolve) => lease.signal.addEventListener('abort', resolve, { once: true }));
    });
    const results = await servers.inTime(batch);
    expect(results).toMatchObject([
      { outcome: 'processed' },
      { outcome: 'failed', error: { code: 'LOCK_LOST' } },
      { outcome: 'processed' },
    ]);
  });

  it('starts nothing more once its signal aborts', async () => {
    await using servers = twoServers();
    const stop = new AbortController();
    const results = await servers.jobs[0].forEachExclusive([1, 2, 3], { key: String, signal: stop.signal }, (item) => {
      if (item === 2) stop.abort();
    });
    expect(results.map(({ outcome }) => outcome)).toEqual(['processed', 'processed', 'not-started']);
    expect(await servers.locks[1].tryAcquire('batch/default/3')).not.toBeNull();
  });

  it('starts nothing when the store does not answer', async () => {
    await using servers = twoServers();
    servers.links[0].disconnect();
    let started = 0;
    const batch = servers.jobs[0].forEachExclusive([1, 2], { key: String }, () => (started += 1));
    await expect(batch).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE' });
    expect(started).toBe(0);
    expect(await servers.jobs[1].forEachExclusive([], { key: String }, () => 1)).toEqual([]);
  });
});

describe('a job semaphore', () => {
  it('lets a job run so many times at once, over all instances', async () => {
    await using servers = twoServers();
    const [mine, theirs] = servers.locks.map((locks) => createJobSemaphore(locks, { permits: 2 }));
    if (mine === undefined || theirs === undefined) throw new Error('two servers');
    expect([await mine.tryAcquire('import'), await theirs.tryAcquire('import'), await mine.tryAcquire('import')]).toEqual([
      true,
      true,
      false,
    ]);
    expect([await mine.tryAcquire('export'), mine.leasesOf('import').length]).toEqual([true, 1]);
    expect([await theirs.release('import'), await theirs.release('import')]).toEqual([true, false]);
    expect(await mine.tryAcquire('import')).toBe(true);
  });

  it('tells a permit that was lost, and frees no other for it', async () => {
    await using servers = twoServers({}, { manual: true });
    const semaphore = createJobSemaphore(servers.locks[0], { permits: 2, ttlMs: 200 });
    await semaphore.tryAcquire('job');
    await servers.locks[1].semaphore('job/job', { permits: 2 }).forceRelease();
    // The loss is noticed by the next renewal.
    await servers.clock.advance(100);
    expect(semaphore.leasesOf('job')[0]?.isHeld).toBe(false);
    expect(await semaphore.tryAcquire('job')).toBe(true);
    await expect(semaphore.release('job')).rejects.toMatchObject({ code: 'LOCK_LOST' });
    expect(semaphore.leasesOf('job').map(({ isHeld }) => isHeld)).toEqual([true]);
    expect(await semaphore.release('job')).toBe(true);
  });

  it('checks its options, and needs a store with semaphores that answers', async () => {
    await using servers = twoServers();
    expect(() => createJobSemaphore(servers.locks[0], {} as { permits: number })).toThrow(expect.objectContaining({ option: 'permits' }));
    servers.links[0].disconnect();
    await expect(createJobSemaphore(servers.locks[0], { permits: 1 }).tryAcquire('job')).rejects.toMatchObject({
      code: 'LOCK_BACKEND_UNAVAILABLE',
    });
  });
});
