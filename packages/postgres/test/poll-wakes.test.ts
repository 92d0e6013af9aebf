import { createManualClock } from '@holdfast/core/testing';
import { describe, expect, it } from 'vitest';
import { LAST_MS, pollWakes } from '../src/table/poll-wakes.js';

const LONG_MS = 60_000;

/** When a waiter is woken, in ms from the beginning, that is refused each time. @param latestAt the grant that it is refused for, by time */
async function wakesOf(latestAt: (ms: number) => string | null, lastMs = LONG_MS): Promise<readonly number[]> {
  const clock = createManualClock();
  const startedAt = clock.now();
  const wakes: number[] = [];
  const polling = pollWakes(clock, () => {
    wakes.push(clock.now() - startedAt);
    polling.refused(latestAt(clock.now() - startedAt));
  });
  polling.refused(latestAt(0));
  await clock.advance(lastMs);
  polling.close();
  expect(clock.pendingTimers).toBe(0);
  return wakes;
}

function pausesOf(wakes: readonly number[]): readonly number[] {
  return wakes.map((at, index) => at - (wakes[index - 1] ?? 0));
}

describe('a waiter that no message wakes', () => {
  it.each([null, '7'])('asks ever more seldom behind one grant, less than once a second in the end (%s)', async (latest) => {
    const wakes = await wakesOf(() => latest);
    const [first = 0, ...others] = pausesOf(wakes);
    expect(first).toBeLessThanOrEqual(30);
    expect(Math.max(...others)).toBeLessThanOrEqual(LAST_MS);
    const late = wakes.filter((at) => at > 10_000);
    expect(late.length).toBeLessThan((LONG_MS - 10_000) / 1_000);
    expect(wakes.length - late.length).toBeLessThan(15);
  });

  it('asks every 20 to 30 ms while the name goes from hand to hand, also when it has done so for long', async () => {
    const pauses = pausesOf(await wakesOf(String));
    expect(Math.max(...pauses)).toBeLessThanOrEqual(30);
    expect(Math.min(...pauses)).toBeGreaterThanOrEqual(20);
  });

  it('notices soon that a name has come to go from hand to hand', async () => {
    const wakes = await wakesOf((ms) => (ms < 30_000 ? 'one' : String(ms)), 40_000);
    const pauses = pausesOf(wakes);
    const isQuick = wakes.findIndex((at, index) => at > 30_000 && (pauses[index] ?? 0) <= 30);
    expect(wakes[isQuick]).toBeLessThan(30_000 + 2.5 * LAST_MS);
  });

  it('asks two times more for each grant, where a name changes hands now and then', async () => {
    const idle = await wakesOf(() => 'one');
    const changing = await wakesOf((ms) => String(Math.floor(ms / 10_000)));
    expect(changing.length).toBeGreaterThan(idle.length);
    expect(changing.length).toBeLessThanOrEqual(idle.length + 6 * 3);
  });
});
