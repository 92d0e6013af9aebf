import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel';
import { type AcquireTrace, createLockManager, isLockError, type LockManager } from '@holdfast/core';
import { createMemoryBackend } from '@holdfast/core/memory';
import { createManualClock, createTestMemoryStore, type ManualClock, type TestMemoryStore } from '@holdfast/core/testing';
import { type InstrumentLocksOptions, instrumentLocks } from '@holdfast/otel';
import { context, type Context, type Meter, SpanStatusCode, trace } from '@opentelemetry/api';
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks';
import { PrometheusExporter } from '@opentelemetry/exporter-prometheus';
import {
  AggregationTemporality,
  type DataPoint,
  type Histogram,
  InMemoryMetricExporter,
  MeterProvider,
  PeriodicExportingMetricReader,
} from '@opentelemetry/sdk-metrics';
import {
  BatchSpanProcessor,
  InMemorySpanExporter,
  type ReadableSpan,
  SimpleSpanProcessor,
  type SpanExporter,
  type SpanProcessor,
  TracerProvider,
} from '@opentelemetry/sdk-trace';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';

const cleanups: (() => unknown)[] = [];

beforeEach(() => {
  const manager = new AsyncLocalStorageContextManager().enable();
  context.setGlobalContextManager(manager);
  cleanups.push(() => context.disable());
});

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

interface World {
  readonly clock: ManualClock;
  readonly store: TestMemoryStore;
  readonly mine: LockManager<bigint>;
  readonly theirs: LockManager<bigint>;
}

function createWorld(): World {
  const clock = createManualClock();
  const store = createTestMemoryStore({ clock });
  const open = (own: TestMemoryStore, label: string): LockManager<bigint> =>
    createLockManager(createMemoryBackend({ store: own, fair: false }), { clock, ttlMs: 3_000, label });
  return { clock, store, mine: open(store, 'mine'), theirs: open(store.peer(), 'theirs') };
}

/** Real providers that keep what they get. */
function createTelemetry() {
  const spans = new InMemorySpanExporter();
  const tracerProvider = new TracerProvider({ spanProcessors: [new SimpleSpanProcessor({ exporter: spans })] });
  const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
  const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });
  const meterProvider = new MeterProvider({ readers: [reader] });
  cleanups.push(() => Promise.all([tracerProvider.shutdown(), meterProvider.shutdown()]));
  const points = async (name: string): Promise<readonly DataPoint<number | Histogram>[]> => {
    await meterProvider.forceFlush();
    const metrics =
      exporter
        .getMetrics()
        .at(-1)
        ?.scopeMetrics.flatMap((scope) => scope.metrics) ?? [];
    return (metrics.find(({ descriptor }) => descriptor.name === name)?.dataPoints ?? []) as DataPoint<number | Histogram>[];
  };
  const start = (options: InstrumentLocksOptions = {}) => {
    const locks = instrumentLocks({ meterProvider, tracerProvider, ...options });
    cleanups.push(() => locks.close());
    return locks;
  };
  return { tracerProvider, meterProvider, points, start, spans: (): readonly ReadableSpan[] => spans.getFinishedSpans() };
}

const named = (spans: readonly ReadableSpan[], name: string): readonly ReadableSpan[] => spans.filter((span) => span.name === name);

describe('metrics of locks', () => {
  it('count waits, holds, losses and the margin of renewals', async () => {
    const { clock, store, mine, theirs } = createWorld();
    const { points, start } = createTelemetry();
    start({ manager: mine });
    const held = await theirs.acquire('x');
    const waiting = mine.acquire('x');
    await clock.advance(400);
    expect(await points('lock.waiting')).toMatchObject([{ value: 1 }]);
    await held.release();
    await clock.advance(10);
    const lease = await waiting;
    await clock.advance(1_200);
    expect(await points('lock.held')).toMatchObject([
      { value: 1, attributes: { 'lock.system': 'memory', 'lock.kind': 'lock', 'lock.mode': 'exclusive' } },
    ]);
    expect(await points('lock.renewal.margin')).toMatchObject([{ value: { count: 1 } }]);
    store.evict('x');
    await clock.advance(1_500);
    expect(lease.isHeld).toBe(false);
    expect(await points('lock.held')).toMatchObject([{ value: 0 }]);
    expect(await points('lock.lost')).toMatchObject([{ value: 1, attributes: { 'lock.lost.reason': 'taken' } }]);
    expect(await points('lock.acquire.duration')).toMatchObject([
      { value: { count: 1, sum: expect.closeTo(0.4, 1) as number }, attributes: { 'lock.outcome': 'granted', 'lock.contended': true } },
    ]);
    expect(await points('lock.hold.duration')).toMatchObject([{ value: { count: 1 }, attributes: { 'lock.end': 'lost' } }]);
    expect((await points('lock.store.duration')).map(({ attributes }) => attributes['lock.operation'])).toContain('attempt');
  });

  it('take options as everywhere: own or inherited, read once, and refused by name', async () => {
    const { mine, theirs } = createWorld();
    const { points, meterProvider, tracerProvider } = createTelemetry();
    let reads = 0;
    const given = {
      meterProvider,
      tracerProvider,
      get manager() {
        reads += 1;
        return reads === 1 ? mine : theirs;
      },
    };
    const locks = instrumentLocks(Object.create(given) as typeof given);
    cleanups.push(() => locks.close());
    locks.disable();
    locks.enable();
    await mine.withLock('x', () => {});
    await theirs.withLock('y', () => {});
    expect(await points('lock.hold.duration')).toMatchObject([{ value: { count: 1 } }]);
    for (const [option, wrong] of [
      ['manager', {}],
      ['groupOf', 'x'],
      ['storeSpans', 1],
      ['meterProvider', null],
      ['mananger', mine],
    ] as const) {
      expect(() => instrumentLocks({ [option]: wrong })).toThrow(expect.objectContaining({ code: 'LOCK_INVALID_ARGUMENT', option }));
    }
  });

  it('says what is too old, where meters make no gauges', () => {
    const meterProvider = { getMeter: () => ({ createCounter: () => {} }) } as unknown as MeterProvider;
    expect(() => instrumentLocks({ meterProvider })).toThrow(
      expect.objectContaining({ code: 'LOCK_INVALID_ARGUMENT', option: 'meterProvider' }),
    );
  });

  it('count the same manager once, however often it is instrumented, until the last use has ended', async () => {
    const { mine } = createWorld();
    const { points, start } = createTelemetry();
    const [all, one] = [start(), start({ manager: mine })];
    await mine.withLock('x', () => {});
    expect(await points('lock.hold.duration')).toMatchObject([{ value: { count: 1 } }]);
    all.close();
    await mine.withLock('x', () => {});
    expect(await points('lock.hold.duration')).toMatchObject([{ value: { count: 2 } }]);
    one.close();
    await mine.withLock('x', () => {});
    expect(await points('lock.hold.duration')).toMatchObject([{ value: { count: 2 } }]);
  });

  it('reach a Prometheus that scrapes', async () => {
    const { mine } = createWorld();
    const exporter = new PrometheusExporter({ port: 0, host: '127.0.0.1', preventServerStart: true });
    const meterProvider = new MeterProvider({ readers: [exporter] });
    cleanups.push(() => meterProvider.shutdown());
    const locks = instrumentLocks({ meterProvider });
    cleanups.push(() => locks.close());
    await exporter.startServer();
    const { port } = (exporter as unknown as { readonly _server: { address(): { readonly port: number } } })._server.address();
    await mine.withLock('order:1', () => {});
    const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
    expect(text).toMatch(/^lock_acquire_duration(?:_seconds)?_count\{.*lock_outcome="granted".*\} 1/m);
    expect(text).toMatch(/^lock_held\{.*\} 0/m);
    expect(text).not.toContain('order:1');
  });
});

describe('traces of locks', () => {
  it('show taking and holding as children of the caller, and the task inside of the hold', async () => {
    const { mine } = createWorld();
    const { tracerProvider, start, spans } = createTelemetry();
    start();
    const tracer = tracerProvider.getTracer('test');
    let inTask: string | undefined;
    await tracer.startActiveSpan('request', async (request) => {
      await mine.withLock('x', () => {
        inTask = trace.getActiveSpan()?.spanContext().spanId;
        tracer.startSpan('work').end();
      });
      request.end();
    });
    const all = spans();
    const [request] = named(all, 'request');
    const [acquire] = named(all, 'acquire lock');
    const [hold] = named(all, 'hold lock');
    const [work] = named(all, 'work');
    expect([acquire, hold].map((span) => span?.parentSpanContext?.spanId)).toEqual(
      [request, request].map((span) => span?.spanContext().spanId),
    );
    expect(work?.parentSpanContext?.spanId).toBe(hold?.spanContext().spanId);
    expect(inTask).toBe(hold?.spanContext().spanId);
    expect(acquire?.attributes).toMatchObject({ 'lock.names': ['x'], 'lock.outcome': 'granted', 'lock.contended': false });
  });

  it('are not those of renewals: what is done in the background is in no trace of a caller', async () => {
    const { clock, mine } = createWorld();
    const { tracerProvider, start, spans } = createTelemetry();
    start({ storeSpans: true });
    await tracerProvider.getTracer('test').startActiveSpan('request', async (request) => {
      const lease = await mine.acquire('x');
      await clock.advance(1_200);
      await lease.release();
      request.end();
    });
    const [acquire] = named(spans(), 'acquire lock');
    const calls = ['store attempt', 'store renew', 'store release'].map((name) => named(spans(), name)[0]);
    for (const call of calls) {
      expect(call?.parentSpanContext).toBeUndefined();
      expect(call?.links.map((link) => link.context.spanId)).toEqual([acquire?.spanContext().spanId]);
    }
  });

  it('link who waited in vain to who held, where the holder keeps its trace', async () => {
    const { clock, mine, theirs } = createWorld();
    const { start, spans } = createTelemetry();
    start({ annotate: true });
    await theirs.acquire('x');
    const waiting = mine.acquire('x', { waitMs: 300 }).catch((error: unknown) => error);
    await clock.advance(400);
    const error = await waiting;
    const [holder, waiter] = named(spans(), 'acquire lock');
    expect(isLockError(error, 'LOCK_TIMEOUT') && error.holders[0]?.traceparent).toContain(holder?.spanContext().spanId);
    expect(waiter?.links.map((link) => link.context.spanId)).toEqual([holder?.spanContext().spanId]);
    expect(waiter?.status.code).toBe(SpanStatusCode.ERROR);
    expect(waiter?.attributes['error.type']).toBe('LOCK_TIMEOUT');
    expect((await mine.inspect('x')).holders).toMatchObject([{ label: 'theirs' }]);
  });

  it('are forgotten with what asked for nothing: an aborted signal, a lock that the task holds already', async () => {
    const { mine } = createWorld();
    const { start, spans } = createTelemetry();
    start({ storeSpans: true });
    const ids: string[] = [];
    const onStart = (traced: unknown): void => void ids.push(...(traced as AcquireTrace).requestIds);
    subscribe('tracing:holdfast:acquire:start', onStart);
    cleanups.push(() => unsubscribe('tracing:holdfast:acquire:start', onStart));
    const signal = AbortSignal.abort(new Error('gone'));
    const calls = [
      () => mine.acquire('x', { signal }),
      () => mine.tryAcquireEach(['x', 'y'], { signal }),
      () => mine.withLock('x', () => mine.acquire('x')),
    ];
    for (const call of calls) await expect(call()).rejects.toThrow();
    expect(ids).toHaveLength(5);
    // A call to the store is linked to the requests that are remembered.
    channel('holdfast:store-call').publish({ operation: 'attempt', outcome: 'answered', durationMs: 0, requestIds: ids, at: 0 });
    expect(spans().at(-1)).toMatchObject({ name: 'store attempt', links: [] });
  });

  it('are made once, however often a manager is instrumented', async () => {
    const { mine } = createWorld();
    const { start, spans } = createTelemetry();
    start();
    start({ manager: mine });
    await mine.withLock('x', () => {});
    expect(spans().map(({ name }) => name)).toEqual(['acquire lock', 'hold lock']);
  });

  it('end with the instrumentation', async () => {
    const { mine } = createWorld();
    const { start, spans } = createTelemetry();
    start().close();
    await mine.withLock('x', () => {});
    expect(spans()).toEqual([]);
  });
});

describe('telemetry that is broken', () => {
  it('hurts no lease and no process: what throws, what never answers, and what cannot be reached', async () => {
    const uncaught = vi.fn<(error: unknown) => void>();
    for (const event of ['uncaughtException', 'unhandledRejection'] as const) {
      process.on(event, uncaught);
      cleanups.push(() => process.off(event, uncaught));
    }
    const fail = (): never => {
      throw new Error('broken');
    };
    const mute = { export: () => {}, shutdown: () => Promise.resolve(), forceFlush: () => Promise.resolve() };
    const refusing: SpanExporter = {
      export: (_, done) => done({ code: 1, error: new Error('no collector') }),
      shutdown: () => Promise.resolve(),
    };
    const processor: SpanProcessor = { onStart: fail, onEnd: fail, forceFlush: () => Promise.resolve(), shutdown: () => Promise.resolve() };
    const broken = [
      [processor],
      [new SimpleSpanProcessor({ exporter: { ...mute, export: fail } })],
      [new BatchSpanProcessor({ exporter: mute, scheduledDelayMillis: 1 })],
      [new SimpleSpanProcessor({ exporter: refusing })],
    ].map((spanProcessors) => new TracerProvider({ spanProcessors }));
    const sends = [vi.fn<() => void>(fail), vi.fn<() => void>()];
    const readers = sends.map(
      (send) =>
        new PeriodicExportingMetricReader({
          exporter: { ...mute, export: send },
          exportIntervalMillis: 5,
          exportTimeoutMillis: 5,
        }),
    );
    const meterProvider = new MeterProvider({ readers });
    for (const tracerProvider of broken) {
      const { clock, store, mine, theirs } = createWorld();
      const locks = instrumentLocks({ manager: mine, meterProvider, tracerProvider, storeSpans: true, annotate: true, groupOf: fail });
      const held = await theirs.acquire('x');
      const waiting = mine.acquire('x', { waitMs: 60_000 });
      await clock.advance(100);
      await held.release();
      await clock.advance(100);
      const lease = await waiting;
      await clock.advance(2_000);
      expect(lease.isHeld).toBe(true);
      expect(await mine.withLock('y', () => 'done')).toBe('done');
      store.evict('x');
      await clock.advance(2_000);
      expect(lease.signal.aborted).toBe(true);
      await expect(mine.acquire('z').then((z) => z.release())).resolves.toBe(true);
      locks.close();
    }
    await vi.waitFor(() => expect(sends.every(({ mock }) => mock.calls.length > 1)).toBe(true));
    await new Promise((resolve) => setImmediate(resolve));
    expect(uncaught).not.toHaveBeenCalled();
  });
});

describe('an instrumentation', () => {
  it('takes the providers that a NodeSDK hands to it, where none was given', async () => {
    const { mine } = createWorld();
    const { tracerProvider, meterProvider, spans, points } = createTelemetry();
    const locks = instrumentLocks({ manager: mine });
    cleanups.push(() => locks.close());
    await mine.withLock('before', () => {});
    locks.setTracerProvider(tracerProvider);
    locks.setMeterProvider(meterProvider);
    await mine.withLock('after', () => {});
    expect(named(spans(), 'hold lock').map(({ attributes }) => attributes['lock.names'])).toEqual([['after']]);
    expect(await points('lock.hold.duration')).toMatchObject([{ value: { count: 1 } }]);
  });

  it('refuses an option that it does not know', () => {
    expect(() => instrumentLocks({ managers: [] } as InstrumentLocksOptions)).toThrow(
      expect.objectContaining({ code: 'LOCK_INVALID_ARGUMENT', option: 'managers' }),
    );
  });

  it('needs no context manager: spans are made, and not active', async () => {
    context.disable();
    const { mine } = createWorld();
    const { start, spans } = createTelemetry();
    start();
    let active: Context | undefined;
    await mine.withLock('x', () => {
      active = context.active();
    });
    expect(active && trace.getSpan(active)).toBeUndefined();
    expect(named(spans(), 'hold lock')).toHaveLength(1);
  });
});

describe('what is broken behind an instrumentation', () => {
  const fail = (): never => {
    throw new Error('telemetry');
  };
  const broken = {
    'an exporter of spans that throws': () => ({
      tracerProvider: new TracerProvider({
        spanProcessors: [new SimpleSpanProcessor({ exporter: { export: fail, shutdown: async () => {} } })],
      }),
    }),
    'an exporter of spans that never answers': () => ({
      tracerProvider: new TracerProvider({
        spanProcessors: [new SimpleSpanProcessor({ exporter: { export: () => {}, shutdown: async () => {} } })],
      }),
    }),
    'a processor of spans that throws': () => ({
      tracerProvider: new TracerProvider({
        spanProcessors: [{ onStart: fail, onEnd: fail, forceFlush: async () => {}, shutdown: async () => {} }],
      }),
    }),
    'a tracer that throws': () => ({ tracerProvider: { getTracer: () => ({ startSpan: fail, startActiveSpan: fail }) } }),
    'instruments that throw': () => {
      const instrument = { record: fail, add: fail, addCallback: () => {}, removeCallback: () => {} };
      const meter = new Proxy({}, { get: () => () => instrument }) as Meter;
      return { meterProvider: { getMeter: () => meter } };
    },
    'an exporter of metrics that throws': () => ({
      meterProvider: new MeterProvider({
        readers: [
          new PeriodicExportingMetricReader({
            exporter: { export: fail, forceFlush: async () => {}, shutdown: async () => {} },
            exportIntervalMillis: 10,
            exportTimeoutMillis: 5,
          }),
        ],
      }),
    }),
    'names whose group is not known': () => ({ groupOf: fail }),
  } satisfies Readonly<Record<string, () => InstrumentLocksOptions>>;

  it.each(Object.entries(broken))('hurts no lease and no process: %s', async (_, options) => {
    const uncaught: unknown[] = [];
    const note = (error: unknown): void => void uncaught.push(error);
    for (const event of ['uncaughtException', 'unhandledRejection']) {
      process.on(event, note);
      cleanups.push(() => process.off(event, note));
    }
    const { clock, store, mine, theirs } = createWorld();
    const locks = instrumentLocks({ ...options(), storeSpans: true, annotate: true });
    cleanups.push(() => locks.close());
    expect(await mine.withLock('x', () => 'done')).toBe('done');
    const held = await theirs.acquire('x');
    const waiting = mine.acquire('x');
    await clock.advance(1_200);
    await held.release();
    await clock.advance(10);
    const lease = await waiting;
    await clock.advance(6_000);
    expect(lease.isHeld).toBe(true);
    store.evict('x');
    await clock.advance(2_000);
    expect(lease.signal.reason).toMatchObject({ code: 'LOCK_LOST' });
    expect(await mine.acquire('x', { waitMs: 0 })).toMatchObject({ isHeld: true });
    // Time for exports, and for what Node reports in the next tick.
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(uncaught).toEqual([]);
  });
});
