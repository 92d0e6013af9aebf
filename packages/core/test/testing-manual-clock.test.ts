import { isLockError } from '@holdfast/core';
import { createManualClock } from '@holdfast/core/testing';
import { describe, expect, it, vi } from 'vitest';

describe('a manual clock', () => {
  it('stands still until it is asked to move', async () => {
    const clock = createManualClock();
    const fired = vi.fn();
    clock.setTimer(0, fired);
    await clock.settle();
    expect(clock.now()).toBe(0);
    expect(fired).not.toHaveBeenCalled();
  });

  it('fires timers in the order of their due times, and of their making where these are the same', async () => {
    const clock = createManualClock();
    const order: string[] = [];
    const at = (name: string) => () => void order.push(`${name}@${clock.now()}`);
    clock.setTimer(30, at('c'));
    clock.setTimer(10, at('a'));
    clock.setTimer(30, at('d'));
    clock.setTimer(20, at('b'));
    clock.setTimer(51, at('later'));
    await clock.advance(50);
    expect(order).toEqual(['a@10', 'b@20', 'c@30', 'd@30']);
    expect(clock.now()).toBe(50);
    expect(clock.pendingTimers).toBe(1);
  });

  it('lets a long chain of promises end before the next timer fires', async () => {
    const clock = createManualClock();
    const order: string[] = [];
    clock.setTimer(10, () => {
      void (async () => {
        for (let i = 0; i < 500; i += 1) await Promise.resolve();
        order.push(`chain@${clock.now()}`);
      })();
    });
    clock.setTimer(11, () => order.push('timer'));
    await clock.advance(100);
    expect(order).toEqual(['chain@10', 'timer']);
  });

  it('fires what a timer sets for a time within the same advance', async () => {
    const clock = createManualClock();
    const at: number[] = [];
    const tick = (): void => {
      at.push(clock.now());
      clock.setTimer(10, tick);
    };
    clock.setTimer(10, tick);
    await clock.advance(35);
    expect(at).toEqual([10, 20, 30]);
  });

  it('does not fire a cancelled timer', async () => {
    const clock = createManualClock();
    const fired = vi.fn();
    const timer = clock.setTimer(10, fired);
    timer.cancel();
    timer.cancel();
    await clock.advance(20);
    expect(fired).not.toHaveBeenCalled();
    expect(clock.pendingTimers).toBe(0);
  });

  it('fires late what fell due while the process was blocked', async () => {
    const clock = createManualClock();
    const at: number[] = [];
    clock.setTimer(10, () => at.push(clock.now()));
    clock.block(100);
    expect(at).toEqual([]);
    await clock.advance(0);
    expect(at).toEqual([100]);
  });

  it('moves the wall clock apart from the monotonic one', async () => {
    const clock = createManualClock({ wallMs: 1_000_000 });
    const fired = vi.fn();
    clock.setTimer(10, fired);
    clock.suspend(5_000);
    expect([clock.now(), clock.wall()]).toEqual([0, 1_005_000]);
    clock.jumpWall(-10_000);
    expect([clock.now(), clock.wall()]).toEqual([0, 995_000]);
    await clock.advance(10);
    expect(fired).toHaveBeenCalledOnce();
    clock.setWall(7);
    await clock.advance(3);
    expect([clock.now(), clock.wall()]).toEqual([13, 10]);
  });

  it('gives the same random numbers for the same seed, between 0 and 1', () => {
    const draw = (seed: number): readonly number[] => {
      const clock = createManualClock({ seed });
      return Array.from({ length: 1_000 }, () => clock.random());
    };
    expect(draw(7)).toEqual(draw(7));
    expect(draw(7)).not.toEqual(draw(8));
    for (const seed of [0, 1, 2 ** 32 - 1]) {
      const numbers = draw(seed);
      expect(numbers.every((n) => n >= 0 && n < 1)).toBe(true);
      const mean = numbers.reduce((sum, n) => sum + n, 0) / numbers.length;
      expect(mean).toBeGreaterThan(0.45);
      expect(mean).toBeLessThan(0.55);
    }
  });

  it('refuses a second advance before the first has ended', async () => {
    const clock = createManualClock();
    const first = clock.advance(10);
    await expect(clock.advance(10)).rejects.toThrow(/await it first/);
    await first;
    expect(clock.now()).toBe(10);
  });

  it('moves while fake timers are installed', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'setImmediate', 'Date', 'performance', 'queueMicrotask'] });
    try {
      const clock = createManualClock();
      const fired = vi.fn();
      clock.setTimer(5, fired);
      await clock.advance(10);
      expect(fired).toHaveBeenCalledOnce();
    } finally {
      vi.useRealTimers();
    }
  });

  it('hands on what a timer throws, and can go on after it', async () => {
    const clock = createManualClock();
    clock.setTimer(5, () => {
      throw new Error('from the timer');
    });
    await expect(clock.advance(10)).rejects.toThrow('from the timer');
    await clock.advance(10);
    expect(clock.now()).toBe(15);
  });

  it('refuses to go back', async () => {
    const clock = createManualClock();
    for (const ms of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY]) {
      await expect(clock.advance(ms)).rejects.toSatisfy((error) => isLockError(error, 'LOCK_INVALID_ARGUMENT'));
      expect(() => clock.suspend(ms)).toThrow();
      expect(() => clock.block(ms)).toThrow();
    }
    expect(() => createManualClock({ seed: -1 })).toThrow();
  });
});
