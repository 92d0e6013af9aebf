import { createLockManager, type LockManager } from '@holdfast/core';
import { createMemoryBackend } from '@holdfast/core/memory';
import { instrumentLocks, type LockInstrumentation } from '@holdfast/otel';
import { AggregationTemporality, InMemoryMetricExporter, PeriodicExportingMetricReader } from '@opentelemetry/sdk-metrics';
import { NodeSDK } from '@opentelemetry/sdk-node';
import { InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace';
import { expect, it } from 'vitest';

/** Of this process: a NodeSDK sets the global providers, once. */
const spans = new InMemorySpanExporter();
const exporter = new InMemoryMetricExporter(AggregationTemporality.CUMULATIVE);
const reader = new PeriodicExportingMetricReader({ exporter, exportIntervalMillis: 3_600_000 });

async function holdsCounted(): Promise<unknown> {
  await reader.forceFlush();
  const metrics = exporter
    .getMetrics()
    .at(-1)
    ?.scopeMetrics.flatMap((scope) => scope.metrics);
  const holds = metrics?.find(({ descriptor }) => descriptor.name === 'lock.hold.duration');
  return (holds?.dataPoints[0]?.value as { readonly count: number } | undefined)?.count;
}

const namesOf = (span: { readonly attributes: Readonly<Record<string, unknown>> }): unknown => span.attributes['lock.names'];

it('goes into the instrumentations of a NodeSDK, made before its providers, and twice counts once', async () => {
  const manager: LockManager<bigint> = createLockManager(createMemoryBackend());
  const instrumentations: readonly LockInstrumentation[] = [instrumentLocks(), instrumentLocks({ manager })];
  const sdk = new NodeSDK({
    autoDetectResources: false,
    instrumentations: [...instrumentations],
    logRecordProcessors: [],
    metricReaders: [reader],
    spanProcessors: [new SimpleSpanProcessor({ exporter: spans })],
  });
  await manager.withLock('before the start', () => {});
  sdk.start();
  await manager.withLock('x', () => manager.withLock('y', () => {}));
  const holds = spans.getFinishedSpans().filter(({ name }) => name === 'hold lock');
  expect(holds.map(namesOf)).toEqual([['y'], ['x']]);
  // The context manager of the SDK carries the span of a task: what the task takes is its child.
  const [inner, outer] = holds;
  expect(inner?.parentSpanContext?.spanId).toBe(outer?.spanContext().spanId);
  expect(await holdsCounted()).toBe(2);
  for (const one of instrumentations) one.disable();
  await manager.withLock('z', () => {});
  expect(await holdsCounted()).toBe(2);
  for (const one of instrumentations) one.enable();
  await manager.withLock('z', () => {});
  expect(await holdsCounted()).toBe(3);
  for (const one of instrumentations) one.close();
  await sdk.shutdown();
  expect(await manager.withLock('after the end', () => 'done')).toBe('done');
  await manager.close();
});
