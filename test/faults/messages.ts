import type { StoreSettings } from './open-manager.js';

/** One store that a process uses, under the name by which the run knows it. */
export interface TargetSettings {
  readonly target: string;
  readonly store: StoreSettings;
}

/** What a process is started with. */
export interface CallerSettings {
  readonly process: string;
  readonly seed: number;
  /** Where its history goes. */
  readonly file: string;
  /** Of the machine's monotonic clock, in nanoseconds. */
  readonly startNs: string;
  readonly targets: readonly TargetSettings[];
  /** How many calls it has under way on each target at a time. */
  readonly callers: number;
}

/** What a process is asked while it runs. */
export type Order =
  | { readonly order: 'start'; readonly settings: CallerSettings }
  | { readonly order: 'set-clock'; readonly offsetMs: number }
  /** Every call that waits is aborted by its caller. */
  | { readonly order: 'abort' }
  /** Every manager is closed while it is in use, and another opened. */
  | { readonly order: 'reopen' }
  /** No more turns: then every object is taken once more, for which there is time enough, and the process ends. */
  | { readonly order: 'finish' }
  | { readonly order: 'answer'; readonly ask: number; readonly accepted: boolean; readonly value: number };

/** What it says. */
export type Report =
  | { readonly report: 'grants'; readonly counts: Readonly<Record<string, number>> }
  /** A question to the register. `write`: the value that it is to take; null: it is read. */
  | { readonly report: 'ask'; readonly ask: number; readonly object: string; readonly token: string; readonly write: number | null }
  | { readonly report: 'finished'; readonly unexpected: readonly string[] };
