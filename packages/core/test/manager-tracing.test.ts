import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe, tracingChannel, unsubscribe } from 'node:diagnostics_channel';
import { type AcquireTrace, createLockManager, type HoldTrace } from '@holdfast/core';
import { createMemoryBackend } from '@holdfast/core/memory';
import { createManualClock, createTestMemoryStore, type TestMemoryStore } from '@holdfast/core/testing';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { EventSource } from '../dist/events.js';
import * as tracing from '../dist/tracing.js';
import { createWorld, outcomeOf } from './manager-world.js';

type Step = 'start' | 'end' | 'asyncStart' | 'asyncEnd' | 'error';

const STEPS: readonly Step[] = ['start', 'end', 'asyncStart', 'asyncEnd', 'error'];
const cleanups: (() => void)[] = [];

afterEach(() => {
  for (const cleanup of cleanups.splice(0)) cleanup();
});

/** What a channel publishes. @param onStart may throw, or set an annotation */
function trace<C>(name: 'acquire' | 'hold', onStart: (context: C) => void = () => {}): (readonly [Step, C])[] {
  const seen: (readonly [Step, C])[] = [];
  for (const step of STEPS) {
    const listener = (context: unknown): void => {
      seen.push([step, context as C]);
      if (step === 'start') onStart(context as C);
    };
    subscribe(`tracing:holdfast:${name}:${step}`, listener);
    cleanups.push(() => unsubscribe(`tracing:holdfast:${name}:${step}`, listener));
  }
  return seen;
}

const stepsOf = (seen: readonly (readonly [Step, unknown])[]): readonly Step[] => seen.map(([step]) => step);

describe('the tracing channels', () => {
  it('show a hold that is taken, from start to end, with one object', async () => {
    const { manager, events } = createWorld();
    const seen = trace<AcquireTrace>('acquire');
    const lease = await manager.acquire('x', { waitMs: 700 });
    expect(stepsOf(seen)).toEqual(['start', 'end', 'asyncStart', 'asyncEnd']);
    const [granted] = events;
    const context = seen[0]?.[1];
    expect(new Set(seen.map(([, each]) => each))).toEqual(new Set([context]));
    expect(context).toMatchObject({
      operation: 'acquire',
      backend: 'memory',
      managerId: manager.id,
      requestIds: [granted?.type === 'granted' && granted.requestId],
      names: ['x'],
      kind: 'lock',
      mode: 'exclusive',
      permits: 1,
      label: 'mine',
      waitMs: 700,
      outcome: 'granted',
      contended: false,
    });
    expect(JSON.stringify(context)).not.toMatch(/[0-9a-f]{32}/);
    await lease.release();
  });

  it('show what was busy, what failed, and several at once', async () => {
    const { clock, manager, peer } = createWorld();
    await peer.acquire('x');
    const seen = trace<AcquireTrace>('acquire');
    expect(await manager.tryAcquire('x')).toBeNull();
    expect(seen.at(-1)).toMatchObject(['asyncEnd', { operation: 'tryAcquire', waitMs: 0, outcome: 'busy', contended: true }]);
    const waiting = outcomeOf(manager.acquireAll(['x', 'y'], { waitMs: 100 }));
    await clock.advance(200);
    expect(seen.at(-1)).toMatchObject(['asyncEnd', { operation: 'acquireAll', names: ['x', 'y'], error: waiting.error, contended: true }]);
    expect(stepsOf(seen.slice(-3))).toEqual(['error', 'asyncStart', 'asyncEnd']);
    await manager.tryAcquireEach(['a', 'b', 'x']);
    expect(seen.at(-1)).toMatchObject(['asyncEnd', { operation: 'tryAcquireEach', outcome: 'busy', names: ['a', 'b', 'x'] }]);
  });

  it('show a request that would wait for its own task, and a reader inside a reader', async () => {
    const { manager } = createWorld();
    const seen = trace<AcquireTrace>('acquire');
    await manager.withLock('x', async () => {
      await expect(manager.acquire('x')).rejects.toMatchObject({ code: 'LOCK_REENTRY' });
    });
    const [, , , , ...inner] = seen;
    expect(stepsOf(inner)).toEqual(['start', 'end', 'error', 'asyncStart', 'asyncEnd']);
    expect(inner[0]?.[1]).toMatchObject({ names: ['x'], error: { code: 'LOCK_REENTRY' } });
    seen.length = 0;
    const both = manager.readWriteLock('x').read;
    await both.withLock(() => both.withLock(() => {}));
    expect(stepsOf(seen).filter((step) => step === 'asyncEnd')).toHaveLength(2);
  });

  it('show the task of a with… method, and its error', async () => {
    const { manager } = createWorld();
    const seen = trace<HoldTrace>('hold');
    expect(await manager.withLock('x', () => 7)).toBe(7);
    expect(stepsOf(seen)).toEqual(['start', 'end', 'asyncStart', 'asyncEnd']);
    const failure = new Error('task');
    await expect(manager.withAll(['x', 'y'], () => Promise.reject(failure))).rejects.toBe(failure);
    expect(seen.at(-1)).toMatchObject(['asyncEnd', { names: ['x', 'y'], error: failure }]);
    expect(seen.at(-1)?.[1].requestIds).toHaveLength(2);
  });

  it('let a store bound to start reach the task, and nothing behind it', async () => {
    const { clock, manager } = createWorld({ ttlMs: 3_000 });
    const spans = new AsyncLocalStorage<unknown>();
    const hold = tracingChannel('holdfast:hold');
    hold.start.bindStore(spans, () => 'span');
    cleanups.push(() => hold.start.unbindStore(spans));
    const seen: unknown[] = [];
    await manager.withLock('x', async () => {
      seen.push(spans.getStore());
      await clock.advance(1_200);
      seen.push(spans.getStore());
    });
    expect(seen).toEqual(['span', 'span']);
    expect(spans.getStore()).toBeUndefined();
  });

  it('keep an annotation beside the label, in the store alone', async () => {
    const { manager, peer, events } = createWorld();
    const traceparent = '00-0123456789abcdef0123456789abcdef-0123456789abcdef-01';
    trace<AcquireTrace>('acquire', (context) => {
      context.annotation = traceparent;
    });
    const lease = await manager.acquire('x', { label: 'with\u001f a mark' });
    expect((await peer.inspect('x')).holders).toMatchObject([{ label: 'with\u001f a mark', traceparent }]);
    expect(events[0]).toMatchObject({ label: 'with\u001f a mark' });
    await lease.release();
  });

  it.each<readonly [string, unknown, string]>([
    ['is longer than 256 bytes', 'x'.repeat(257), 'me'],
    ['is no text', { trace: 1 }, 'me'],
    ['has no room beside a long label', 'x'.repeat(200), 'm'.repeat(1_000)],
    ['is no traceparent', '00-none', 'me'],
    ['is a label with a mark, and no annotation', undefined, 'mine\u001fnot an annotation'],
  ])('leave out what %s', async (_, annotation, label) => {
    const { manager, peer } = createWorld();
    trace<AcquireTrace>('acquire', (context) => {
      context.annotation = annotation;
    });
    const lease = await manager.acquire('x', { label });
    expect((await peer.inspect('x')).holders).toMatchObject([{ label, traceparent: null }]);
    await lease.release();
  });

  it('hurt no lease and no process when a listener throws, or what a store is bound by', async () => {
    const uncaught: unknown[] = [];
    const onUncaught = (error: unknown): void => void uncaught.push(error);
    for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
      process.on(event, onUncaught);
      cleanups.push(() => process.off(event, onUncaught));
    }
    const { manager } = createWorld();
    const thrower = (): never => {
      throw new Error('listener');
    };
    const [broken, whole] = [new AsyncLocalStorage<unknown>(), new AsyncLocalStorage<unknown>()];
    for (const name of ['acquire', 'hold']) {
      for (const step of STEPS) {
        subscribe(`tracing:holdfast:${name}:${step}`, thrower);
        cleanups.push(() => unsubscribe(`tracing:holdfast:${name}:${step}`, thrower));
      }
      const { start } = tracingChannel<unknown, object>(`holdfast:${name}`);
      start.bindStore(broken, thrower);
      start.bindStore(whole, () => name);
      // Whatever has a method `run` can be bound: it throws, does not run what it is handed or runs it later, throws behind that, or answers with something else.
      const runs: readonly ((value: unknown, task: () => unknown) => unknown)[] = [
        thrower,
        () => {},
        (_, task) => queueMicrotask(task),
        (_, task) => [task(), task()],
        (_, task) => [task(), thrower()],
        (_, task) => Promise.reject(new Error('listener', { cause: task() })),
      ];
      const odd = runs.map((run) => ({ run }) as never);
      for (const store of odd) start.bindStore(store);
      cleanups.push(() => {
        for (const store of [broken, whole, ...odd]) start.unbindStore(store);
      });
    }
    const seen: unknown[] = [];
    await manager.withLock('x', () => void seen.push([broken.getStore(), whole.getStore()]));
    await expect(
      manager.withLock('x', () => {
        throw new RangeError('task');
      }),
    ).rejects.toThrow(RangeError);
    // Node reports what a listener throws in the next tick.
    await new Promise((resolve) => setImmediate(resolve));
    expect(uncaught).toEqual([]);
    // Once, however often what runs the task was called.
    expect(seen).toEqual([[undefined, 'hold']]);
  });

  it('cost nothing where nobody listens: neither a trace nor an event is built', async () => {
    const built = [
      vi.spyOn(EventSource.prototype, 'emit'),
      vi.spyOn(EventSource.prototype, 'emitCall'),
      vi.spyOn(tracing, 'traceAcquire'),
      vi.spyOn(tracing, 'traceHold'),
    ];
    const clock = createManualClock();
    const store = createTestMemoryStore({ clock });
    const open = (own: TestMemoryStore) => createLockManager(createMemoryBackend({ store: own, fair: false }), { clock, ttlMs: 3_000 });
    const [manager, peer] = [open(store), open(store.peer())];
    const live = async (): Promise<void> => {
      const held = await peer.acquire('x');
      const waiting = manager.acquire('x');
      await clock.advance(100);
      await held.release();
      await clock.advance(100);
      const lease = await waiting;
      await clock.advance(2_000);
      store.evict('x');
      await clock.advance(2_000);
      expect(lease.isHeld).toBe(false);
      expect(await manager.tryWithLock('x', () => 'done')).toMatchObject({ value: 'done' });
    };
    await live();
    expect(built.map(({ mock }) => mock.calls.length)).toEqual([0, 0, 0, 0]);
    // The same with somebody who listens: that this counts at all.
    trace('acquire');
    trace('hold');
    for (const type of ['granted', 'renewed', 'lost', 'released', 'store-call']) {
      const listener = (): void => {};
      subscribe(`holdfast:${type}`, listener);
      cleanups.push(() => unsubscribe(`holdfast:${type}`, listener));
    }
    await live();
    for (const { mock } of built) expect(mock.calls.length).toBeGreaterThan(0);
  });
});
