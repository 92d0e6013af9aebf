import { createManualClock } from '@holdfast/core/testing';
import { describe, expect, it } from 'vitest';
import type { Connection } from '../src/connection.js';
import { LeftSessions } from '../src/left-sessions.js';

/** A connection of which only its end matters. */
function connection(): { readonly one: Connection; isDestroyed: boolean } {
  const seen = { one: {} as Connection, isDestroyed: false };
  seen.one = { onEnd: () => {}, destroy: () => void (seen.isDestroyed = true) } as unknown as Connection;
  return seen;
}

describe('sessions that a pooler has passed on as they were left', () => {
  it('are kept until the server has ended them, four at most, and never two of one process', async () => {
    const clock = createManualClock();
    const left = new LeftSessions(clock);
    const first = connection();
    expect(left.keep(first.one, 1, 20_000)).toBe(true);
    expect(left.keep(connection().one, 1, 20_000)).toBe(false);
    for (const processId of [2, 3, 4]) expect(left.keep(connection().one, processId, 20_000)).toBe(true);
    expect(left.keep(connection().one, 5, 20_000)).toBe(false);
    await clock.advance(20_000);
    expect(first.isDestroyed).toBe(false);
    await clock.advance(5_000);
    expect([first.isDestroyed, left.isEmpty, clock.pendingTimers]).toEqual([true, true, 0]);
  });

  it('are handed back by close, also one that an opening finds only then', () => {
    const clock = createManualClock();
    const left = new LeftSessions(clock);
    const before = connection();
    left.keep(before.one, 1, 20_000);
    left.close();
    expect(left.keep(connection().one, 2, 20_000)).toBe(false);
    expect([before.isDestroyed, left.isEmpty, clock.pendingTimers]).toEqual([true, true, 0]);
  });
});
