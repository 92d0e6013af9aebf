/**
 * How a metric behaves: values that are counted by size, a number that only grows, one that goes up and down, one that is what it is, and one that is
 * looked at when somebody asks.
 */
export type InstrumentKind = 'histogram' | 'counter' | 'up-down-counter' | 'gauge' | 'observed-gauge';

/** One metric, in the terms of OpenTelemetry: a unit is UCUM's. */
export interface Instrument {
  /** How it behaves. */
  readonly kind: InstrumentKind;
  /** Its unit, as UCUM writes it: `s`, `1`, `{hold}`. */
  readonly unit: string;
  /** What it measures, for people. */
  readonly description: string;
  /** Of a histogram: the upper bounds of its buckets. */
  readonly boundaries?: readonly number[];
}

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 1_800];

/** The metrics of locks, by name: the same through OpenTelemetry and as Prometheus text. */
export const lockInstruments = {
  'lock.acquire.duration': {
    kind: 'histogram',
    unit: 's',
    description: 'How long a request for a hold took until it was granted or gave up',
    boundaries: SECONDS,
  },
  'lock.hold.duration': { kind: 'histogram', unit: 's', description: 'How long a hold was held', boundaries: SECONDS },
  'lock.held': { kind: 'up-down-counter', unit: '{hold}', description: 'Holds that stand in this process; permits by their number' },
  'lock.waiting': { kind: 'up-down-counter', unit: '{request}', description: 'Requests of this process that wait for a hold' },
  'lock.waiting.oldest': {
    kind: 'observed-gauge',
    unit: 's',
    description: 'For how long the first of the requests of this process that wait has waited',
  },
  'lock.lost': { kind: 'counter', unit: '{hold}', description: 'Holds that were lost before they were released' },
  'lock.renewal.margin': {
    kind: 'histogram',
    unit: '1',
    description: 'What was left of the deadline when a renewal was confirmed, as a part of the time to live',
    boundaries: [0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9],
  },
  'lock.store.duration': { kind: 'histogram', unit: 's', description: 'How long a call to the store took', boundaries: SECONDS },
  'lock.node.clock_offset': { kind: 'gauge', unit: 's', description: "How far a node's clock is ahead of this one's" },
  'lock.leader': { kind: 'gauge', unit: '1', description: 'Whether this process leads an election: 1, or 0 once it has led' },
  'lock.leader.changes': { kind: 'counter', unit: '{election}', description: 'How often this process was elected' },
  'lock.node.quarantine': { kind: 'gauge', unit: 's', description: 'For how long a node takes no part yet' },
} as const satisfies Readonly<Record<string, Instrument>>;

/** The name of a metric. */
export type InstrumentName = keyof typeof lockInstruments;

/** What a value belongs to. */
export type MetricAttributes = Readonly<Record<string, string | boolean>>;

/** Where values go. What it throws is swallowed: no lease depends on it. */
export interface MetricSink {
  /** Histograms and gauges: the value. Counters: what to add. */
  record(name: InstrumentName, value: number, attributes: MetricAttributes): void;
}
