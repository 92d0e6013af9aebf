import { type InstrumentName, LockArgumentError, lockInstruments, meterLocks, type MetricAttributes } from '@holdfast/core';
import type { Meter, MeterProvider, ObservableGauge, ObservableResult } from '@opentelemetry/api';
import type { Running } from './shared.js';

/** The name under which a backend for metrics and traces shows where they come from. */
export const SCOPE = '@holdfast/otel';

type Record = (value: number, attributes: MetricAttributes) => void;

/** Counts into a provider of meters. */
export function startMetrics(
  provider: MeterProvider,
  isCounted: (managerId: string) => boolean,
  groupOf: ((name: string) => string) | undefined,
): Running {
  const meter = provider.getMeter(SCOPE);
  checkMeter(meter);
  const records = new Map<InstrumentName, Record>();
  const observed: ObservableGauge[] = [];
  for (const name of Object.keys(lockInstruments) as InstrumentName[]) {
    const { kind, unit, description, ...more } = lockInstruments[name];
    const options = { unit, description };
    if (kind === 'histogram') {
      const advice = 'boundaries' in more ? { advice: { explicitBucketBoundaries: [...more.boundaries] } } : {};
      const histogram = meter.createHistogram(name, { ...options, ...advice });
      records.set(name, (value, attributes) => histogram.record(value, attributes));
    } else if (kind === 'observed-gauge') observed.push(meter.createObservableGauge(name, options));
    else if (kind === 'gauge') {
      const gauge = meter.createGauge(name, options);
      records.set(name, (value, attributes) => gauge.record(value, attributes));
    } else {
      const counter = kind === 'counter' ? meter.createCounter(name, options) : meter.createUpDownCounter(name, options);
      records.set(name, (value, attributes) => counter.add(value, attributes));
    }
  }
  const sink = { record: (name: InstrumentName, value: number, attributes: MetricAttributes) => records.get(name)?.(value, attributes) };
  const locks = meterLocks(sink, { isCounted, groupOf });
  const observe = (result: ObservableResult): void => {
    for (const { seconds, attributes } of locks.oldestWaits()) result.observe(seconds, attributes);
  };
  for (const gauge of observed) gauge.addCallback(observe);
  return {
    stop() {
      for (const gauge of observed) gauge.removeCallback(observe);
      locks.close();
    },
  };
}

/** Older versions of OpenTelemetry know no gauges that are set; both the interface and what is behind it must. */
function checkMeter(meter: Partial<Meter>): void {
  if (typeof meter.createGauge === 'function') return;
  throw new LockArgumentError(
    'instrumentLocks: the meterProvider makes no gauges; install @opentelemetry/api 1.9 or later, and an SDK of its time',
    {
      option: 'meterProvider',
    },
  );
}
