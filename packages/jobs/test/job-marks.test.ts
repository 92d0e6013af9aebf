import type { JobTarget } from '@holdfast/jobs';
import { expect, it } from 'vitest';
import { twoServers } from './two-servers.js';

const HOUR_MS = 3_600_000;
const TEN_YEARS_MS = 315_576_000_000;

it('a mark says what became of the work, when, by whom, and until when', async () => {
  await using servers = twoServers({ label: 'server 1' });
  const [mine, theirs] = servers.jobs;
  const target = { run: 'statistics' };
  expect(await theirs.markOf(target)).toBeNull();
  await mine.runOnce('statistics', { windowMs: HOUR_MS }, () => 1);
  const mark = await theirs.markOf(target);
  expect(mark).toMatchObject({ outcome: 'succeeded', label: 'server 1' });
  expect(Object.keys(mark ?? {}).toSorted()).toEqual(['ageMs', 'label', 'outcome', 'remainingMs']);
  expect(mark?.ageMs).toBeLessThan(60_000);
  expect(mark?.remainingMs).toBeGreaterThan(HOUR_MS - 60_000);
  await mine
    .runOnce('failing', { windowMs: HOUR_MS, lockAtLeastMs: HOUR_MS, label: 'mine' }, () => Promise.reject(new Error('no')))
    .catch(() => {});
  expect(await theirs.markOf({ run: 'failing' })).toMatchObject({ outcome: 'failed', label: 'mine' });
  await mine.processOnce('a', { guarantee: 'at-most-once' }, async () => {
    expect(await theirs.markOf({ message: 'a' })).toMatchObject({ outcome: 'started' });
  });
});

it('whatever was done can be forgotten, and is due again', async () => {
  await using servers = twoServers();
  const [mine, theirs] = servers.jobs;
  await mine.runOnce('run', { windowMs: HOUR_MS }, () => 1);
  await mine.processOnce('message', { consumer: 'mailer' }, () => 1);
  await mine.lock('job', 'element');
  await mine.successfullyProcessed('job', 'element');
  await mine.forEachExclusive(['key'], { job: 'batch', key: String, retentionMs: HOUR_MS }, () => 1);
  const targets: JobTarget[] = [
    { run: 'run' },
    { message: 'message', consumer: 'mailer' },
    { job: 'job', element: 'element' },
    { batch: 'batch', key: 'key' },
  ];
  for (const target of targets) {
    expect(await theirs.markOf(target)).toMatchObject({ outcome: 'succeeded' });
    expect([await theirs.forget(target), await theirs.forget(target), await mine.markOf(target)]).toEqual([true, false, null]);
  }
  expect(await mine.runOnce('run', { windowMs: HOUR_MS }, () => 2)).toEqual({ ran: true, value: 2 });
  expect(await mine.lock('job', 'element')).toBe(true);
});

it('to forget a run that is under way leaves it alone: its mark is written at its end', async () => {
  await using servers = twoServers();
  const [mine, theirs] = servers.jobs;
  await mine.runOnce('run', { windowMs: HOUR_MS }, async () => {
    expect(await theirs.forget({ run: 'run' })).toBe(false);
    expect(await theirs.runOnce('run', { windowMs: HOUR_MS }, () => 2)).toEqual({ ran: false, because: 'busy' });
  });
  expect(await theirs.markOf({ run: 'run' })).toMatchObject({ outcome: 'succeeded' });
});

it('a target that is none is refused', async () => {
  await using servers = twoServers();
  const [jobs] = servers.jobs;
  const wrong: unknown[] = [
    undefined,
    {},
    { run: 'a', message: 'b' },
    { job: 'a' },
    { batch: 'a', key: 5 },
    { run: 'a'.repeat(10_000) },
    'run',
  ];
  for (const target of wrong) {
    await expect(jobs.markOf(target as JobTarget)).rejects.toMatchObject({ code: 'LOCK_INVALID_ARGUMENT' });
    await expect(jobs.forget(target as JobTarget)).rejects.toMatchObject({ code: 'LOCK_INVALID_ARGUMENT' });
  }
});

it('windows and memories may last ten years, and no longer', async () => {
  await using servers = twoServers({ retentionMs: TEN_YEARS_MS, lockAtLeastMs: TEN_YEARS_MS });
  const [mine, theirs] = servers.jobs;
  const options = { windowMs: TEN_YEARS_MS, lockAtLeastMs: TEN_YEARS_MS };
  expect(await mine.runOnce('run', options, () => 1)).toMatchObject({ ran: true });
  expect((await theirs.markOf({ run: 'run' }))?.remainingMs).toBeGreaterThan(TEN_YEARS_MS - 60_000);
  await mine.processOnce('message', { retentionMs: TEN_YEARS_MS }, () => 1);
  await mine.lock('job', 'a');
  await mine.unlock('job', 'a');
  expect(await theirs.lock('job', 'a')).toBe(false);
  const tooLong = { code: 'LOCK_INVALID_ARGUMENT', option: 'windowMs' };
  await expect(mine.runOnce('run', { windowMs: TEN_YEARS_MS + 1 }, () => 1)).rejects.toMatchObject(tooLong);
});
