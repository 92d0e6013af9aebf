import type { Backend } from './store.js';

/** The scenarios, in the order in which they run. */
export const scenarioIds = [
  'uncontended',
  'in-flight-64',
  'uncontended-0.5ms',
  'uncontended-5ms',
  'in-flight-64-0.5ms',
  'in-flight-64-5ms',
  'local-contention',
  'handover-8-processes',
  'handover-8-processes-0.5ms',
  'handover-8-processes-5ms',
  'waiters-1000',
  'renew-10000',
  'try-each-1000',
  'permits-in-use',
  'one-name-64-processes',
  'names-1000000',
  'managers-200',
] as const;

/** One row group of the table. */
export type ScenarioId = (typeof scenarioIds)[number];

/** A hold that a library granted. */
export interface BenchLease {
  release(): Promise<unknown>;
}

/** What a library granted of a list of names. */
export interface BenchBatch {
  readonly granted: readonly string[];
  releaseAll(): Promise<unknown>;
}

/** One client of one library: what a process of a user would have. */
export interface BenchClient {
  /** Waits for as long as it takes: where the library gives up by its defaults, the adapter asks again, as its user would. */
  acquire(name: string): Promise<BenchLease>;
  /** Waits for one of so many permits. Needed for `permits-in-use` only. */
  acquirePermit?(name: string, permits: number): Promise<BenchLease>;
  /** Takes what is free without waiting. Needed for `try-each-1000` only. */
  tryAcquireEach?(names: readonly string[]): Promise<BenchBatch>;
  /** Takes what is free with a call for each name, one after the other; where left out, only the batch is measured. */
  tryAcquireOneByOne?(names: readonly string[]): Promise<BenchBatch>;
  close(): Promise<void>;
}

/** How a client is opened. */
export interface OpenOptions {
  /** The library's own default when left out. */
  readonly ttlMs?: number | undefined;
}

/**
 * One library, as its user would use it: its defaults, one connection of the store's client with that client's
 * defaults. Scenarios know nothing more than this.
 */
export interface Library {
  /** The column `library` of the rows. Several entries may share it if no scenario has two of them. */
  readonly id: string;
  readonly title: string;
  readonly backend: Backend;
  /** What ratios are taken against, what the targets are for, or what people use today. */
  readonly role: 'floor' | 'ours' | 'peer';
  /** Promises the order of requesting: one inversion misses the target. */
  readonly fair?: boolean;
  readonly scenarios: readonly ScenarioId[];
  open(address: string, options?: OpenOptions): Promise<BenchClient>;
}
