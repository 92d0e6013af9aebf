import {
  type CalendarWindow,
  createJobLockManager,
  createJobSemaphore,
  type ForEachOptions,
  type JobLockManager,
  type RunOnceOptions,
} from '@holdfast/jobs';
import { describe, expect, it } from 'vitest';
import { twoServers } from './two-servers.js';

const LONG = 'x'.repeat(10_000);
const HOUR_MS = 3_600_000;
const day: CalendarWindow = { period: 'day', timeZone: 'Europe/Berlin' };

/** Names that are none: too long, empty, no text, half a character. */
const noNames: readonly (readonly [what: string, name: string])[] = [
  ['10,000 letters', LONG],
  ['more than 512 bytes in fewer letters', 'ü'.repeat(300)],
  ['nothing', ''],
  ['half of a character', 'a\ud800'],
  ['a number', 5 as unknown as string],
  ['an object', {} as string],
  ['null', null as unknown as string],
];

/** Everything that takes a name. */
const uses: readonly (readonly [what: string, use: (jobs: JobLockManager, name: string) => Promise<unknown>])[] = [
  ['runOnce', (jobs, name) => jobs.runOnce(name, { windowMs: 1 }, () => 1)],
  ['processOnce', (jobs, name) => jobs.processOnce(name, () => 1)],
  ['a consumer', (jobs, name) => jobs.processOnce('id', { consumer: name }, () => 1)],
  ['the job of lock', (jobs, name) => jobs.lock(name, 'element')],
  ['the element of lock', (jobs, name) => jobs.lock('job', name)],
  ['unlock', (jobs, name) => jobs.unlock('job', name)],
  ['successfullyProcessed', (jobs, name) => jobs.successfullyProcessed('job', name)],
  ['the key of an item', (jobs, name) => jobs.forEachExclusive([1], { key: () => name }, () => 1)],
  ['the job of a batch', (jobs, name) => jobs.forEachExclusive([1], { key: String, job: name }, () => 1)],
  ['markOf', (jobs, name) => jobs.markOf({ run: name })],
  ['forget', (jobs, name) => jobs.forget({ job: 'job', element: name })],
];

describe.each(uses)('%s', (_, use) => {
  it.each(noNames)('refuses %s before anything is asked of the store', async (__, name) => {
    await using servers = twoServers();
    servers.links[0].disconnect();
    await expect(use(servers.jobs[0], name)).rejects.toMatchObject({ code: 'LOCK_INVALID_ARGUMENT' });
  });
});

it('a name that is too long with what stands before it is refused by its own length', async () => {
  await using servers = twoServers();
  const error: unknown = await servers.jobs[0].processOnce('x'.repeat(512), () => 1).catch((reason: unknown) => reason);
  expect(error).toMatchObject({ code: 'LOCK_INVALID_ARGUMENT', option: 'messageId' });
  expect((error as Error).message).toContain('messageId is 512 bytes long');
});

describe('a window', () => {
  const wrong: readonly (readonly [what: string, options: unknown, option: string])[] = [
    ['that is over before it begins', { windowMs: 0 }, 'windowMs'],
    ['that ends before it begins', { windowMs: -1 }, 'windowMs'],
    ['that never ends', { windowMs: Number.POSITIVE_INFINITY }, 'windowMs'],
    ['that is no number', { windowMs: Number.NaN }, 'windowMs'],
    ['of a part of a millisecond', { windowMs: 1.5 }, 'windowMs'],
    ['in words', { windowMs: '1h' }, 'windowMs'],
    ['with a least time before nothing', { windowMs: 10, lockAtLeastMs: -1 }, 'lockAtLeastMs'],
    ['with a least time behind its end', { windowMs: 10, lockAtLeastMs: 11 }, 'lockAtLeastMs'],
    ['of a period that every object has', { window: { ...day, period: 'toString' } }, 'window'],
    ['of periods', { window: { ...day, period: ['day'] } }, 'window'],
    ['of an empty zone', { window: { ...day, timeZone: '' } }, 'window'],
    ['of a zone that is no text', { window: { ...day, timeZone: 1 } }, 'window'],
    ['of a zone of 10,000 letters', { window: { ...day, timeZone: LONG } }, 'window'],
    ['that is a period alone', { window: 'day' }, 'window'],
    ['that is null', { window: null }, 'window'],
    ['of no guarantee', { windowMs: 1, guarantee: 'exactly-once' }, 'guarantee'],
  ];

  it.each(wrong)('%s is refused before anything is asked of the store', async (_, options, option) => {
    await using servers = twoServers();
    servers.links[0].disconnect();
    const run = servers.jobs[0].runOnce('job', options as RunOnceOptions, () => 1);
    await expect(run).rejects.toMatchObject({ code: 'LOCK_INVALID_ARGUMENT', option });
  });

  it('is read once: what becomes of it while the task runs changes nothing', async () => {
    await using servers = twoServers();
    const window: { period: CalendarWindow['period']; timeZone: string } = { ...day };
    const run = servers.jobs[0].runOnce('job', { window }, () => {
      Object.assign(window, { period: 'never', timeZone: 'Mars/Base' });
      return 1;
    });
    expect(await run).toEqual({ ran: true, value: 1 });
    expect(await servers.jobs[1].runOnce('job', { window: day }, () => 2)).toEqual({ ran: false, because: 'not-due' });
  });

  it('that says something else each time it is read is refused', async () => {
    await using servers = twoServers();
    let reads = 0;
    const window = {
      get period(): 'day' {
        reads += 1;
        return reads > 1 ? ('never' as 'day') : 'day';
      },
      timeZone: 'UTC',
    };
    await expect(servers.jobs[0].runOnce('job', { window }, () => 1)).rejects.toMatchObject({
      code: 'LOCK_INVALID_ARGUMENT',
      option: 'window',
    });
    reads = 0;
    await expect(servers.jobs[0].markOf({ run: 'job', window })).rejects.toMatchObject({ code: 'LOCK_INVALID_ARGUMENT' });
  });
});

describe('the items of a batch', () => {
  it('whose key function throws: its own error, and nothing is locked', async () => {
    await using servers = twoServers();
    const failure = new Error('no id');
    let begun = 0;
    const options: ForEachOptions<number> = {
      key(item) {
        if (item === 3) throw failure;
        return String(item);
      },
      retentionMs: HOUR_MS,
    };
    await expect(servers.jobs[0].forEachExclusive([1, 2, 3], options, () => (begun += 1))).rejects.toBe(failure);
    expect([begun, servers.links[0].calls.attempt, servers.links[0].calls.hasMark]).toEqual([0, 0, 0]);
  });

  it('of one key share a lease and a mark, which is set when all of them are done', async () => {
    await using servers = twoServers();
    const options = { key: () => 'one', retentionMs: HOUR_MS, concurrency: 3 };
    let inside = 0;
    const results = await servers.jobs[0].forEachExclusive([1, 2, 3], options, async (item) => {
      inside += 1;
      expect(inside).toBe(1);
      await new Promise((resolve) => setImmediate(resolve));
      inside -= 1;
      if (item === 2) throw new Error('failed');
    });
    expect(results.map(({ outcome }) => outcome)).toEqual(['processed', 'failed', 'processed']);
    // One of them has failed: none is noted, and all may be processed again.
    expect(await servers.jobs[0].markOf({ batch: 'default', key: 'one' })).toBeNull();
    const again = await servers.jobs[1].forEachExclusive([1, 2, 3], options, () => {});
    expect(again.map(({ outcome }) => outcome)).toEqual(['processed', 'processed', 'processed']);
    expect(await servers.jobs[0].markOf({ batch: 'default', key: 'one' })).toMatchObject({ outcome: 'succeeded' });
  });

  it.each([
    ['no list', 5],
    ['null', null],
    ['a promise of a list', Promise.resolve([1])],
  ])('that are %s are refused', async (_, items) => {
    await using servers = twoServers();
    const batch = servers.jobs[0].forEachExclusive(items as unknown as readonly number[], { key: String }, () => 1);
    await expect(batch).rejects.toMatchObject({ code: 'LOCK_INVALID_ARGUMENT', option: 'items' });
  });

  it('whose iterator throws: its own error, and nothing is locked', async () => {
    await using servers = twoServers();
    const failure = new Error('the cursor has gone');
    const items = function* (): Generator<number> {
      yield 1;
      throw failure;
    };
    await expect(servers.jobs[0].forEachExclusive(items(), { key: String }, () => 1)).rejects.toBe(failure);
    expect(servers.links[0].calls.attempt).toBe(0);
  });
});

it('a consumer that is null is none, and not the one without a name', async () => {
  await using servers = twoServers();
  const target = { message: 'id', consumer: null as unknown as string };
  await expect(servers.jobs[0].markOf(target)).rejects.toMatchObject({ code: 'LOCK_INVALID_ARGUMENT' });
});

it('managers that are none, tasks that are none and names of semaphores are refused', async () => {
  await using servers = twoServers();
  const [jobs] = servers.jobs;
  const invalid = { code: 'LOCK_INVALID_ARGUMENT' };
  expect(() => createJobLockManager(null as never)).toThrow(expect.objectContaining(invalid));
  await expect(jobs.runOnce('job', { windowMs: 1 }, undefined as never)).rejects.toMatchObject({ ...invalid, option: 'task' });
  await expect(jobs.processOnce('id', 'task' as never)).rejects.toMatchObject({ ...invalid, option: 'task' });
  await expect(jobs.forEachExclusive([1], { key: String }, 5 as never)).rejects.toMatchObject({ ...invalid, option: 'task' });
  await expect(createJobSemaphore(servers.locks[0], { permits: 1 }).tryAcquire(LONG)).rejects.toMatchObject({ ...invalid, option: 'job' });
});
