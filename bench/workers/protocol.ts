import type { OpenOptions, ScenarioId } from '../library.js';
import type { Backend } from '../store.js';

/** What a worker process can be asked to do: what goes in, what it reports on the way, what comes out. */
export interface Jobs {
  /** One critical section, from asking to freeing. Reports when it has asked. */
  section: {
    input: { readonly name: string; readonly settleMs: number };
    event: 'asked';
    output: SectionTimes;
  };
  /** One section after the other, from a poke on none. */
  loop: {
    input: { readonly name: string };
    event: never;
    /** How many sections were done. */
    output: number;
  };
  /** Many waiters on one name, each for one section. Reports when all have asked; a poke lets no new section begin. */
  wait: {
    input: { readonly name: string; readonly count: number };
    event: 'asked';
    /** How many sections were done. */
    output: number;
  };
  /** Holds many names from the report until a poke. Needs --expose-gc. */
  hold: {
    input: { readonly names: readonly string[]; readonly inFlight: number };
    /** Bytes of heap that the leases take. */
    event: number;
    output: null;
  };
}

/** When one section happened, by a clock that all processes of the machine share, in milliseconds. */
export interface SectionTimes {
  readonly ticket: number;
  readonly grantedAt: number;
  /** When release was called, not when it was answered: what comes after is the hand-over. */
  readonly freedAt: number;
}

/** The name of a job. */
export type JobName = keyof Jobs;

/** Which library a worker opens, and where. Modules cannot be sent, so it is looked up by id. */
export interface Opening {
  readonly scenario: ScenarioId;
  readonly library: string;
  readonly backend: Backend;
  readonly address: string;
  readonly options?: OpenOptions;
}

/** From the benchmark to a worker. */
export type Order =
  | { readonly type: 'open'; readonly id: number; readonly opening: Opening }
  | { readonly type: 'run'; readonly id: number; readonly library: string; readonly job: JobName; readonly input: unknown }
  | { readonly type: 'poke'; readonly id: number };

/** From a worker to the benchmark. */
export type Report =
  | { readonly type: 'event'; readonly id: number; readonly value: unknown }
  | { readonly type: 'done'; readonly id: number; readonly value: unknown }
  | { readonly type: 'failed'; readonly id: number; readonly message: string };

/** CLOCK_MONOTONIC, the same in all processes of one machine; performance.now() starts anew in each. */
export function sharedNow(): number {
  return Number(process.hrtime.bigint()) / 1e6;
}
