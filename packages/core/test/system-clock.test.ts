import { setTimeout as sleep } from 'node:timers/promises';
import { systemClock } from '@holdfast/core';
import { afterEach, describe, expect, it, vi } from 'vitest';

afterEach(() => {
  vi.useRealTimers();
});

function fired(delayMs: number): Promise<string> {
  return new Promise((resolve) => {
    systemClock.setTimer(delayMs, () => resolve('fired'));
  });
}

describe('the system clock', () => {
  it('goes on under fake timers', async () => {
    const hold = sleep(5_000, 'never fired', { ref: false });
    vi.useFakeTimers({ now: 0 });
    const [now, wall] = [systemClock.now(), systemClock.wall()];
    expect(wall).toBeGreaterThan(1_600_000_000_000);
    // No fake timer was advanced, so only a real one can have fired.
    await expect(Promise.race([fired(10), hold])).resolves.toBe('fired');
    expect(systemClock.now()).toBeGreaterThan(now);
    expect(systemClock.wall()).toBeGreaterThan(wall);
    expect(Date.now()).toBe(0);
    expect(systemClock.random()).toBeLessThan(1);
  });

  it('is not moved by fake timers that are advanced', () => {
    vi.useFakeTimers();
    const fire = vi.fn();
    const before = systemClock.now();
    const timer = systemClock.setTimer(60_000, fire);
    vi.advanceTimersByTime(3_600_000);
    expect(fire).not.toHaveBeenCalled();
    expect(systemClock.now() - before).toBeLessThan(60_000);
    timer.cancel();
  });

  it('does not fire a cancelled timer', async () => {
    const fire = vi.fn();
    const timer = systemClock.setTimer(1, fire);
    timer.cancel();
    await fired(20);
    expect(fire).not.toHaveBeenCalled();
  });

  it('waits at most what a timer can, and not at all for a time that has passed', async () => {
    const fire = vi.fn();
    const far = systemClock.setTimer(Number.MAX_SAFE_INTEGER, fire);
    await fired(-5);
    await fired(20);
    // Node fires a timer beyond 2^31-1 after 1 ms.
    expect(fire).not.toHaveBeenCalled();
    far.cancel();
  });

  it('cannot be changed', () => {
    expect(Object.isFrozen(systemClock)).toBe(true);
  });
});
