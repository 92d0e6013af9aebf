import { createLockManager } from 'holdfast';
import { createMemoryBackend } from 'holdfast/memory';
import { createLockMetrics, type LockMetrics, type LockMetricsOptions } from 'holdfast/metrics';
import { instrumentLocks } from 'holdfast/otel';
import { createManualClock } from 'holdfast/testing';
import { PrometheusExporter, PrometheusSerializer } from '@opentelemetry/exporter-prometheus';
import { MeterProvider } from '@opentelemetry/sdk-metrics';
import { afterEach, describe, expect, it } from 'vitest';

const cleanups: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

function open(options?: LockMetricsOptions): LockMetrics {
  const metrics = createLockMetrics(options);
  cleanups.push(() => metrics.close());
  return metrics;
}

function createManager() {
  const clock = createManualClock();
  return { clock, locks: createLockManager(createMemoryBackend(), { clock, ttlMs: 3_000 }) };
}

/** Each line's metric with its labels in order, and its value. */
function samplesOf(text: string): ReadonlyMap<string, string> {
  const samples = new Map<string, string>();
  for (const line of text.split('\n')) {
    const [, metric = '', labels = '', value = ''] = /^([a-z_]+)\{(.*)\} (\S+)$/.exec(line) ?? [];
    if (metric === '' || metric === 'target_info') continue;
    const sorted = [...labels.matchAll(/[a-z_]+="(?:[^"\\]|\\.)*"/g)].map(([label]) => label).filter((label) => !label.startsWith('otel_'));
    samples.set(`${metric}{${sorted.sort((a, b) => a.localeCompare(b)).join(',')}}`, value);
  }
  return samples;
}

describe('createLockMetrics', () => {
  it("gives the text of OpenTelemetry's exporter for the same locks", async () => {
    const metrics = open();
    const exporter = new PrometheusExporter({ preventServerStart: true });
    const meterProvider = new MeterProvider({ readers: [exporter] });
    cleanups.push(() => meterProvider.shutdown());
    const otel = instrumentLocks({ meterProvider, groupOf: undefined });
    cleanups.push(() => otel.close());
    const { clock, locks } = createManager();
    await locks.withLock('a', () => clock.advance(1_200));
    const held = await locks.acquire('b');
    await locks.tryAcquire('b');
    await locks.semaphore('c', { permits: 3 }).acquire({ permits: 2 });
    await locks.forceRelease('b');
    expect(held.isHeld).toBe(false);
    const { resourceMetrics } = await exporter.collect();
    const theirs = samplesOf(new PrometheusSerializer().serialize(resourceMetrics));
    const ours = samplesOf(metrics.text());
    expect(theirs.size).toBeGreaterThan(40);
    expect(ours).toEqual(theirs);
  });

  it('counts from the moment when it was made, one manager where one is named, until it is closed', async () => {
    const { locks } = createManager();
    const other = createManager().locks;
    await locks.withLock('a', () => {});
    const metrics = open({ manager: locks });
    expect(metrics.text()).toBe('');
    await other.withLock('a', () => {});
    expect(metrics.text()).toBe('');
    await locks.withLock('a', () => {});
    expect(metrics.text()).toMatch(/^lock_hold_duration_count\{.*\} 1$/m);
    metrics.close();
    await locks.withLock('a', () => {});
    expect(metrics.text()).toMatch(/^lock_hold_duration_count\{.*\} 1$/m);
    expect(metrics.contentType).toContain('version=0.0.4');
  });

  it('escapes what a group holds', async () => {
    const { locks } = createManager();
    const metrics = open({ manager: locks, groupOf: (name) => name });
    await locks.withLock('a"b\\c\nd', () => {});
    expect(metrics.text()).toContain(String.raw`lock_group="a\"b\\c\nd"`);
    for (const line of metrics.text().split('\n')) expect(line).toMatch(/^(?:$|# |lock_)/);
  });

  it.each([
    [{ managers: 1 }, 'managers'],
    [{ manager: {} }, 'manager'],
    [{ groupOf: 'x' }, 'groupOf'],
  ])('refuses %j', (options, option) => {
    expect(() => createLockMetrics(options as never)).toThrow(expect.objectContaining({ code: 'LOCK_INVALID_ARGUMENT', option }));
  });
});
