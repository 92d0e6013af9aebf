import { createManualClock } from '@holdfast/core/testing';
import { createMemoryBackend } from '@holdfast/core/memory';
import { describe, expect, it } from 'vitest';
import { EventSource } from '../src/events.js';
import { KeepAlive } from '../src/calls/keep-alive.js';
import { type CallEnd, StoreCalls } from '../src/calls/store-calls.js';
import { TimerQueue } from '../src/time/timer-queue.js';

function world(): { readonly calls: StoreCalls; readonly clock: ReturnType<typeof createManualClock> } {
  const clock = createManualClock();
  return {
    clock,
    calls: new StoreCalls(
      createMemoryBackend(),
      clock,
      new TimerQueue(clock),
      new KeepAlive(),
      100,
      new EventSource('memory', 'm', undefined, () => 0),
    ),
  };
}

/** Notes what the one who hears of the end hears, and lets the end be waited for. */
function recorder(): CallEnd<number> & { readonly told: unknown[]; readonly ended: Promise<unknown> } {
  const told: unknown[] = [];
  let end: (outcome: unknown) => void = () => {};
  const ended = new Promise<unknown>((resolve) => {
    end = resolve;
  });
  const note = (outcome: unknown): void => {
    told.push(outcome);
    end(outcome);
  };
  return { told, ended, answered: note, failed: note };
}

describe('a call to the store', () => {
  it('ends once, with the answer', async () => {
    const { calls, clock } = world();
    const end = recorder();
    const call = calls.start('attempt', 1, 'a', 100, async () => 7, end);
    expect(end.told).toEqual([]);
    expect(await end.ended).toBe(7);
    await clock.advance(200);
    expect(end.told).toEqual([7]);
    expect(call.isSettled).toBe(true);
  });

  it('fails where its answer cannot be read', async () => {
    const { calls } = world();
    const { failed, ended } = recorder();
    calls.start<number>('attempt', 1, 'a', 100, async () => 7, {
      answered: () => {
        throw new TypeError('of no use');
      },
      failed,
    });
    expect(await ended).toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE', lockName: 'a', cause: { message: 'of no use' } });
  });

  it('ends at its deadline, tells the backend, and hears a late answer only as settled', async () => {
    const { calls, clock } = world();
    const end = recorder();
    let answer: (value: number) => void = () => {};
    const signals: AbortSignal[] = [];
    const call = calls.start(
      'attempt',
      1,
      'a',
      100,
      (context) => {
        signals.push(context.signal);
        return new Promise<number>((resolve) => {
          answer = resolve;
        });
      },
      end,
    );
    await clock.advance(100);
    expect(await end.ended).toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE', lockName: 'a' });
    expect(signals[0]?.aborted).toBe(true);
    expect([end.told.length, call.isSettled]).toEqual([1, false]);
    let settled = 0;
    call.onSettled(() => {
      settled += 1;
    });
    answer(7);
    await clock.advance(1);
    expect([end.told.length, call.isSettled, settled]).toEqual([1, true, 1]);
  });

  it('hears an answer that came while the event loop stood still beyond the deadline', async () => {
    const { calls, clock } = world();
    let answer: (value: number) => void = () => {};
    const answered = calls.run(
      'attempt',
      1,
      'a',
      () =>
        new Promise<number>((resolve) => {
          answer = resolve;
        }),
    );
    // What a socket has received is read behind the timers that have become due.
    clock.setTimer(150, () => answer(7));
    clock.block(200);
    await clock.advance(0);
    expect(await answered).toBe(7);
  });

  it('shows an aborted signal to a backend that first looks at it after the end', async () => {
    const { calls } = world();
    const end = recorder();
    const call = calls.start('attempt', 1, 'a', 100, () => new Promise<number>(() => {}), end);
    const reason = new Error('left');
    call.end(reason);
    expect(end.told).toEqual([reason]);
    expect([call.signal.aborted, call.signal.reason]).toEqual([true, reason]);
  });

  it('turns what a backend throws, at once or later, into one of our errors', async () => {
    const { calls } = world();
    const atOnce = calls.run<number>('inspect', 1, 'a', () => {
      throw new TypeError('at once');
    });
    await expect(atOnce).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE' });
    await expect(calls.run('inspect', 1, 'a', async () => Promise.reject(new Error('later')))).rejects.toMatchObject({
      code: 'LOCK_BACKEND_UNAVAILABLE',
    });
  });
});
