import { createManualClock } from '@holdfast/core/testing';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type TimerEntry, TimerQueue } from '../src/time/timer-queue.js';

function entry(onDue: () => void): TimerEntry {
  return { dueAt: 0, heapIndex: -1, onDue };
}

describe('the timer queue', () => {
  it('keeps many deadlines on one timer, and none for long when it is empty', async () => {
    const clock = createManualClock();
    const queue = new TimerQueue(clock);
    const fired: number[] = [];
    const entries = Array.from({ length: 100 }, (_, i) => entry(() => fired.push(i)));
    for (const [i, each] of entries.entries()) queue.set(each, 1_000 - i);
    expect(clock.pendingTimers).toBe(1);
    await clock.advance(950);
    expect(fired).toEqual(Array.from({ length: 50 }, (_, i) => 99 - i));
    for (const each of entries) queue.remove(each);
    expect([queue.size, clock.pendingTimers]).toEqual([0, 1]);
    await clock.advance(50);
    expect(clock.pendingTimers).toBe(0);
    expect(fired).toHaveLength(50);
  });

  it('does not set its timer again for calls that follow each other', async () => {
    const clock = createManualClock();
    let timers = 0;
    const queue = new TimerQueue({
      ...clock,
      now: () => clock.now(),
      setTimer: (delayMs, fire) => {
        timers += 1;
        return clock.setTimer(delayMs, fire);
      },
    });
    const each = entry(() => {});
    for (let i = 0; i < 100; i++) {
      queue.set(each, clock.now() + 2_000);
      queue.remove(each);
      await clock.advance(1);
    }
    expect(timers).toBe(1);
  });

  it('cancels at once a timer that nothing waits for and that is far away', () => {
    const clock = createManualClock();
    const queue = new TimerQueue(clock);
    const each = entry(() => {});
    queue.set(each, 5_001);
    queue.remove(each);
    expect(clock.pendingTimers).toBe(0);
    queue.set(each, 5_000);
    queue.remove(each);
    expect(clock.pendingTimers).toBe(1);
    queue.clear();
    expect(clock.pendingTimers).toBe(0);
  });

  it('lets an entry set itself and others again while it is due', async () => {
    const clock = createManualClock();
    const queue = new TimerQueue(clock);
    const fired: string[] = [];
    const other = entry(() => fired.push(`other@${clock.now()}`));
    const again = entry(() => {
      fired.push(`again@${clock.now()}`);
      if (fired.length < 4) queue.set(again, clock.now() + 10);
      queue.set(other, clock.now() + 5);
    });
    queue.set(again, 10);
    await clock.advance(100);
    expect(fired).toEqual(['again@10', 'other@15', 'again@20', 'other@25', 'again@30', 'other@35']);
    expect(clock.pendingTimers).toBe(0);
  });

  it('takes an entry out that is set to never', () => {
    const clock = createManualClock();
    const queue = new TimerQueue(clock);
    const each = entry(() => {});
    queue.set(each, 10);
    queue.set(each, Number.POSITIVE_INFINITY);
    expect([queue.size, each.heapIndex]).toEqual([0, -1]);
  });

  it('goes on after an entry that throws', async () => {
    const clock = createManualClock();
    const queue = new TimerQueue(clock);
    const fired: string[] = [];
    queue.set(
      entry(() => {
        throw new Error('bad');
      }),
      10,
    );
    queue.set(
      entry(() => fired.push('next')),
      10,
    );
    await expect(clock.advance(20)).rejects.toThrow('bad');
    await clock.advance(20);
    expect(fired).toEqual(['next']);
  });

  it('fires each at its time, in order, whatever is set, moved and removed', async () => {
    const step = fc.record({
      action: fc.constantFrom('set', 'set', 'set', 'remove', 'pass'),
      which: fc.noBias(fc.nat({ max: 19 })),
      ms: fc.integer({ min: 0, max: 30 }),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 20, maxLength: 100, size: 'max' }), async (steps) => {
        const clock = createManualClock();
        const queue = new TimerQueue(clock);
        const due = new Map<number, number>();
        const entries = Array.from({ length: 20 }, (_, i) =>
          entry(() => {
            expect(clock.now()).toBe(due.get(i));
            expect(Math.min(...due.values())).toBe(due.get(i));
            due.delete(i);
          }),
        );
        for (const { action, which, ms } of steps) {
          const each = entries[which];
          if (each === undefined) continue;
          if (action === 'set') {
            due.set(which, clock.now() + ms);
            queue.set(each, clock.now() + ms);
          } else if (action === 'remove') {
            due.delete(which);
            queue.remove(each);
          } else await clock.advance(ms);
          if (action === 'pass') for (const at of due.values()) expect(at).toBeGreaterThan(clock.now());
          expect(queue.size).toBe(due.size);
          expect(clock.pendingTimers).toBeLessThanOrEqual(1);
        }
        await clock.advance(30);
        expect([queue.size, due.size, clock.pendingTimers]).toEqual([0, 0, 0]);
      }),
      { numRuns: 150 },
    );
  });
});
