import { createLockManager } from '@holdfast/core';
import { createMemoryBackend } from '@holdfast/core/memory';
import { createManualClock, createTestMemoryStore } from '@holdfast/core/testing';
import { type CalendarWindow, createJobLockManager, type RunOnceOptions } from '@holdfast/jobs';
import { describe, expect, it } from 'vitest';
import { periodAt } from '../src/calendar.js';

const at = (iso: string): number => Date.parse(iso);
const BERLIN = 'Europe/Berlin';

describe('the period of a moment', () => {
  it.each([
    // The day of 23 hours: 29 March 2026 begins at 23:00 and ends at 22:00 by UTC.
    ['day', BERLIN, '2026-03-28T22:59:59.999Z', '2026-03-28'],
    ['day', BERLIN, '2026-03-28T23:00:00Z', '2026-03-29'],
    ['day', BERLIN, '2026-03-29T21:59:59.999Z', '2026-03-29'],
    ['day', BERLIN, '2026-03-29T22:00:00Z', '2026-03-30'],
    // That of 25.
    ['day', BERLIN, '2026-10-24T22:00:00Z', '2026-10-25'],
    ['day', BERLIN, '2026-10-25T22:59:59.999Z', '2026-10-25'],
    ['day', BERLIN, '2026-10-25T23:00:00Z', '2026-10-26'],
    // The hour that comes twice is two, the one that is left out is none.
    ['hour', BERLIN, '2026-10-25T00:30:00Z', '2026-10-25T02+02:00'],
    ['hour', BERLIN, '2026-10-25T01:30:00Z', '2026-10-25T02+01:00'],
    ['hour', BERLIN, '2026-03-29T00:59:59Z', '2026-03-29T01+01:00'],
    ['hour', BERLIN, '2026-03-29T01:00:00Z', '2026-03-29T03+02:00'],
    ['hour', 'Asia/Kolkata', '2026-06-01T18:29:59Z', '2026-06-01T23+05:30'],
    ['hour', 'Asia/Kolkata', '2026-06-01T18:30:00Z', '2026-06-02T00+05:30'],
    ['hour', 'UTC', '2026-06-01T00:00:00Z', '2026-06-01T00+00:00'],
    ['day', 'Asia/Kathmandu', '2026-06-01T18:14:59Z', '2026-06-01'],
    ['day', 'Asia/Kathmandu', '2026-06-01T18:15:00Z', '2026-06-02'],
    ['week', BERLIN, '2026-03-29T21:59:59Z', 'week-2026-03-23'],
    ['week', BERLIN, '2026-03-29T22:00:00Z', 'week-2026-03-30'],
    ['week', 'UTC', '2027-01-01T12:00:00Z', 'week-2026-12-28'],
    ['month', BERLIN, '2026-02-28T22:59:59Z', '2026-02'],
    ['month', BERLIN, '2026-02-28T23:00:00Z', '2026-03'],
  ] as const)('a %s in %s at %s is %s', (period, timeZone, iso, expected) => {
    expect(periodAt({ period, timeZone }, at(iso))).toBe(expected);
  });
});

/** Servers on one store, whose wall clocks are off by so much. */
function servers(start: string, ...offsMs: readonly number[]) {
  const store = createTestMemoryStore();
  const clock = createManualClock({ wallMs: at(start) });
  const managers = offsMs.map((offMs) => {
    const own = { now: () => clock.now(), wall: () => clock.wall() + offMs, setTimer: clock.setTimer.bind(clock), random: () => 0.5 };
    return createLockManager(createMemoryBackend({ store: store.peer() }), { clock: own });
  });
  return {
    clock,
    jobs: managers.map((manager) => createJobLockManager(manager)),
    async [Symbol.asyncDispose]() {
      await Promise.all(managers.map((manager) => manager.close()));
    },
  };
}

describe('runOnce with a calendar window', () => {
  const window: CalendarWindow = { period: 'day', timeZone: BERLIN };

  it('runs once in each period, also over both changes of the clock', async () => {
    for (const [start, days] of [
      ['2026-03-27T12:00:00Z', 4],
      ['2026-10-23T12:00:00Z', 4],
    ] as const) {
      await using world = servers(start, 0);
      const [jobs] = world.jobs;
      const ran: string[] = [];
      for (let hour = 0; hour < days * 24; hour += 1) {
        await jobs?.runOnce('daily', { window }, () => ran.push(periodAt(window, world.clock.wall())));
        await world.clock.advance(3_600_000);
      }
      expect(new Set(ran).size).toBe(ran.length);
      expect(ran).toHaveLength(days + 1);
    }
  });

  it('runs a period once though two servers differ by five seconds at midnight', async () => {
    await using world = servers('2026-06-01T21:59:50Z', 0, 5_000);
    const ran: string[] = [];
    for (let second = 0; second < 20; second += 1) {
      for (const [server, jobs] of world.jobs.entries()) {
        await jobs.runOnce('daily', { window }, () => ran.push(`${server} at ${new Date(world.clock.wall()).toISOString()}`));
      }
      await world.clock.advance(1_000);
    }
    // The day that ends, and five seconds early the next one.
    expect(ran).toEqual(['0 at 2026-06-01T21:59:50.000Z', '1 at 2026-06-01T21:59:55.000Z']);
  });

  it('lets a failed run be tried in the same period, after lockAtLeastMs', async () => {
    await using world = servers('2026-06-01T12:00:00Z', 0);
    const [jobs] = world.jobs;
    if (jobs === undefined) throw new Error('no server');
    const options: RunOnceOptions = { window, lockAtLeastMs: 60_000 };
    await expect(jobs.runOnce('daily', options, () => Promise.reject(new Error('failed')))).rejects.toThrow('failed');
    expect(await jobs.runOnce('daily', options, () => 1)).toEqual({ ran: false, because: 'not-due' });
    expect(await jobs.markOf({ run: 'daily', window })).toMatchObject({ outcome: 'failed' });
    await world.clock.advance(60_001);
    expect(await jobs.runOnce('daily', options, () => 1)).toEqual({ ran: true, value: 1 });
    expect(await jobs.forget({ run: 'daily', window })).toBe(true);
    expect(await jobs.runOnce('daily', options, () => 2)).toEqual({ ran: true, value: 2 });
  });

  it.each([
    ['neither', {}, 'windowMs'],
    ['both', { windowMs: 1, window }, 'window'],
    ['a period that does not exist', { window: { period: 'year', timeZone: BERLIN } }, 'window'],
    ['a zone that does not exist', { window: { period: 'day', timeZone: 'Europe/Atlantis' } }, 'window'],
    ['no zone', { window: { period: 'day' } }, 'window'],
    ['more than is known', { window: { ...window, weekStart: 0 } }, 'window'],
    ['a least time beyond the shortest day', { window, lockAtLeastMs: 23 * 3_600_000 + 1 }, 'lockAtLeastMs'],
  ])('refuses %s', async (_, options, option) => {
    await using world = servers('2026-06-01T12:00:00Z', 0);
    const run = world.jobs[0]?.runOnce('daily', options as RunOnceOptions, () => 1);
    await expect(run).rejects.toMatchObject({ code: 'LOCK_INVALID_ARGUMENT', option });
  });
});
