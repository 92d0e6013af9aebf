import { type Instrument, type InstrumentName, lockInstruments, type MetricAttributes, type MetricSink } from '@holdfast/core';

interface Point {
  /** As they stand between braces. */
  readonly labels: string;
  /** Of a histogram the sum. */
  value: number;
  count: number;
  /** Of a histogram: how many values were at most each bound. */
  readonly buckets: number[];
}

/** All values so far, and how Prometheus reads them. */
export class Series implements MetricSink {
  readonly #points = new Map<InstrumentName, Map<string, Point>>();

  record(name: InstrumentName, value: number, attributes: MetricAttributes): void {
    const { kind, boundaries = [] }: Instrument = lockInstruments[name];
    const point = this.#pointOf(name, attributes, boundaries.length);
    if (kind === 'gauge' || kind === 'observed-gauge') {
      point.value = value;
      return;
    }
    point.value += value;
    point.count += 1;
    for (const [index, bound] of boundaries.entries()) if (value <= bound) point.buckets[index] = (point.buckets[index] ?? 0) + 1;
  }

  text(): string {
    const lines = [...this.#points].flatMap(([name, points]) => linesOf(name, lockInstruments[name], [...points.values()]));
    return lines.map((line) => `${line}\n`).join('');
  }

  #pointOf(name: InstrumentName, attributes: MetricAttributes, buckets: number): Point {
    let points = this.#points.get(name);
    if (points === undefined) {
      points = new Map();
      this.#points.set(name, points);
    }
    const labels = Object.entries(attributes)
      .map(([key, value]) => `${underscored(key)}="${escaped(String(value))}"`)
      .join(',');
    let point = points.get(labels);
    if (point === undefined) {
      point = { labels, value: 0, count: 0, buckets: Array.from({ length: buckets }, () => 0) };
      points.set(labels, point);
    }
    return point;
  }
}

const PROMETHEUS_TYPES = {
  histogram: 'histogram',
  counter: 'counter',
  'up-down-counter': 'gauge',
  gauge: 'gauge',
  'observed-gauge': 'gauge',
} as const;

function linesOf(name: string, { kind, description, boundaries = [] }: Instrument, points: readonly Point[]): readonly string[] {
  const metric = kind === 'counter' ? `${underscored(name)}_total` : underscored(name);
  const head = [`# HELP ${metric} ${description}`, `# TYPE ${metric} ${PROMETHEUS_TYPES[kind]}`];
  if (kind !== 'histogram') return [...head, ...points.map(({ labels, value }) => `${metric}{${labels}} ${value}`)];
  const bucketOf = ({ labels }: Point, bound: string, count: number): string => `${metric}_bucket{${labels},le="${bound}"} ${count}`;
  return [
    ...head,
    ...points.flatMap((point) => [
      ...boundaries.map((bound, index) => bucketOf(point, String(bound), point.buckets[index] ?? 0)),
      bucketOf(point, '+Inf', point.count),
      `${metric}_sum{${point.labels}} ${point.value}`,
      `${metric}_count{${point.labels}} ${point.count}`,
    ]),
  ];
}

function underscored(name: string): string {
  return name.replaceAll('.', '_');
}

/** What a label's value may not hold as it is. */
function escaped(value: string): string {
  return value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n');
}
