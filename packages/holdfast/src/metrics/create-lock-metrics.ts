import { meterLocks } from '@holdfast/core';
import { type LockMetricsOptions, readMetricsOptions } from './metrics-options.js';
import { Series } from './series.js';

/** Counts of locks, for a Prometheus that scrapes. */
export interface LockMetrics extends Disposable {
  /** Of the answer to a scrape. */
  readonly contentType: string;
  /** The counts so far, in Prometheus' text format, under the names that OpenTelemetry's Prometheus exporter gives the same metrics. */
  text(): string;
  /** Ends the counting; `text()` does not change any more. */
  close(): void;
}

/**
 * Counts what managers of this process do, from now on, for an endpoint `/metrics`. Needs no library of metrics; where one is in use
 * already, `holdfast/otel` feeds it.
 *
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT for a bad option
 *
 * @example
 * ```ts
 * import { createLockMetrics } from 'holdfast/metrics';
 *
 * const metrics = createLockMetrics();
 * console.log(metrics.contentType, metrics.text()); // what a route for Prometheus answers
 * metrics.close();
 * ```
 */
export function createLockMetrics(options?: LockMetricsOptions): LockMetrics {
  const { managerId, groupOf } = readMetricsOptions(options);
  const series = new Series();
  const isCounted = managerId === null ? undefined : (id: string) => id === managerId;
  const meter = meterLocks(series, { isCounted, groupOf });
  const close = (): void => meter.close();
  return {
    contentType: 'text/plain; version=0.0.4; charset=utf-8',
    text() {
      for (const { seconds, attributes } of meter.oldestWaits()) series.record('lock.waiting.oldest', seconds, attributes);
      return series.text();
    },
    close,
    [Symbol.dispose]: close,
  };
}
