import { until } from '@holdfast/test/servers';
import { describe, expect, it } from 'vitest';
import { twoServers } from './two-servers.js';

const HOUR_MS = 3_600_000;

/** Slices of one item. */
const oneByOne = { key: String, maxHoldMs: 60_000 };

describe('a slice whose answer was lost', () => {
  it('is nobody else’s: what it left behind is waited for, not reported as busy', async () => {
    await using servers = twoServers();
    const [link] = servers.links;
    const results = await servers.jobs[0].forEachExclusive([1, 2, 3], oneByOne, (item) => {
      if (item !== 1) return;
      // Taken, and not freed when it is asked for once more.
      link.failNext({ call: 'attempt', name: 'batch/default/2' }, { performed: true });
      link.failNext({ call: 'release', name: 'batch/default/2' });
      link.failNext({ call: 'release', name: 'batch/default/2' });
    });
    expect(results.map(({ outcome }) => outcome)).toEqual(['processed', 'processed', 'processed']);
  });

  it('does not hide somebody else, who is busy after a ttl as well', async () => {
    await using servers = twoServers();
    const [link] = servers.links;
    await using other = await servers.locks[1].acquire('batch/default/2');
    const results = await servers.jobs[0].forEachExclusive([1, 2, 3], { ...oneByOne, ttlMs: 500 }, (item) => {
      if (item === 1) link.failNext({ call: 'attempt', name: 'batch/default/2' });
    });
    expect(other.isHeld).toBe(true);
    expect(results.map(({ outcome }) => outcome)).toEqual(['processed', 'busy', 'processed']);
  });

  it('is not waited for once the signal aborts', async () => {
    await using servers = twoServers();
    const stop = new AbortController();
    const [link] = servers.links;
    await using _ = await servers.locks[1].acquire('batch/default/2');
    const results = await servers.jobs[0].forEachExclusive([1, 2, 3], { ...oneByOne, signal: stop.signal }, (item) => {
      if (item === 1) link.failNext({ call: 'attempt', name: 'batch/default/2' });
      if (item === 3) setTimeout(() => stop.abort(new Error('enough')), 20);
    });
    expect(results.map(({ outcome }) => outcome)).toEqual(['processed', 'not-started', 'processed']);
  });
});

describe('a store that is too slow for a whole slice', () => {
  it('is asked for smaller ones, also for the very first, which then grow', async () => {
    await using servers = twoServers();
    const [link] = servers.links;
    const items = Array.from({ length: 450 }, (_, index) => index);
    const fault = link.failNext('attempt', { performed: true });
    const results = await servers.jobs[0].forEachExclusive(items, { key: String, concurrency: 50 }, () => {});
    await fault.reached;
    expect(new Set(results.map(({ outcome }) => outcome))).toEqual(new Set(['processed']));
    // 450, then 100, 200 and 150.
    expect(link.calls.attempt).toBe(4);
  });

  it('and does not answer for a smaller one either, is unavailable before any task has started', async () => {
    await using servers = twoServers();
    const [link] = servers.links;
    const items = Array.from({ length: 450 }, (_, index) => index);
    link.failNext('attempt', { performed: true });
    link.failNext('attempt', { performed: true });
    let started = 0;
    const batch = servers.jobs[0].forEachExclusive(items, { key: String, concurrency: 50 }, () => (started += 1));
    await expect(batch).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE' });
    expect([started, link.calls.attempt]).toEqual([0, 2]);
    await until('nothing is left behind', async () => !(await servers.locks[1].inspect('batch/default/449')).held);
  });
});

describe('what a batch asks of the store', () => {
  it('does not grow with its items: those of a slice share their requests', async () => {
    await using servers = twoServers();
    const [link] = servers.links;
    const count = async (size: number): Promise<number> => {
      link.resetCalls();
      const items = Array.from({ length: size }, (_, index) => `${size}/${index}`);
      const results = await servers.jobs[0].forEachExclusive(
        items,
        { key: (item) => item, concurrency: size, retentionMs: HOUR_MS },
        () => {},
      );
      expect(results.every(({ outcome }) => outcome === 'processed')).toBe(true);
      // Releases share requests only on their way to a real store.
      const { attempt, renew, setMark, hasMark } = link.calls;
      return attempt + renew + setMark + hasMark;
    };
    const few = await count(10);
    expect(few).toBeLessThan(10);
    expect(await count(500)).toBe(few);
  });

  it('locks nothing that is done already', async () => {
    await using servers = twoServers();
    const items = Array.from({ length: 2_500 }, (_, index) => index);
    const options = { key: String, concurrency: 50, retentionMs: HOUR_MS };
    await servers.jobs[0].forEachExclusive(items, options, () => {});
    const [, link] = servers.links;
    link.resetCalls();
    const again = await servers.jobs[1].forEachExclusive(items, options, () => {});
    expect(again.every(({ outcome }) => outcome === 'done')).toBe(true);
    expect(link.calls).toMatchObject({ hasMark: 3, attempt: 0, release: 0 });
  });

  it('looks before it locks only where something may be done', async () => {
    await using servers = twoServers();
    const items = Array.from({ length: 2_500 }, (_, index) => index);
    const [link] = servers.links;
    link.resetCalls();
    await servers.jobs[0].forEachExclusive(items, { key: String, concurrency: 50, retentionMs: HOUR_MS }, () => {});
    // Once in front of the first slice, and once under each lock.
    expect(link.calls.hasMark).toBe(4);
    await until('nothing is locked', async () => !(await servers.locks[1].inspect('batch/default/0')).held);
  });
});
