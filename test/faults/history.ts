import { hrtime } from 'node:process';

/** How something is held; `permits` of a semaphore. */
export type HoldMode = 'exclusive' | 'read' | 'write' | 'permits';

/** What one process did or heard. A hold is one call that asks for something, and the lease that may come of it. */
export type CallerEvent =
  | { readonly what: 'acquire'; readonly hold: string; readonly object: string; readonly mode: HoldMode; readonly permits: number }
  | { readonly what: 'acquired'; readonly hold: string; readonly token: string | null }
  /** `why`: an error's code, `busy` or `aborted`. */
  | { readonly what: 'refused'; readonly hold: string; readonly why: string }
  /** The lease said that it was held; `at` is a moment before it was asked. */
  | { readonly what: 'believed'; readonly hold: string }
  | { readonly what: 'release'; readonly hold: string }
  /** `freed`: what `release()` answered; null when nobody knows. */
  | { readonly what: 'released'; readonly hold: string; readonly freed: boolean | null }
  | { readonly what: 'lost'; readonly hold: string; readonly reason: string }
  /** The register is asked for its value. */
  | { readonly what: 'read'; readonly update: string; readonly object: string }
  /** It answered, and is asked to take the next value. */
  | { readonly what: 'write'; readonly update: string; readonly from: number }
  /** It took the value, or refused a token that is below one that it has seen. */
  | { readonly what: 'written'; readonly update: string; readonly accepted: boolean };

/** What was done to the store or to a process; `target` is null for a process, `forgets` as in `Fault`. */
export type FaultEvent =
  | { readonly what: 'fault'; readonly fault: string; readonly target: string | null; readonly forgets: boolean }
  | { readonly what: 'healed'; readonly fault: string; readonly target: string | null };

/** `at`: nanoseconds of the machine's monotonic clock since the run began. All processes of a run are on one machine, so they compare. */
export type Timed<E> = E & { readonly at: number; readonly process: string };
export type HistoryEvent = Timed<CallerEvent | FaultEvent>;

/** Nanoseconds since `startNs`, by the clock that all processes of the machine share and nobody sets. */
export function sinceStart(startNs: bigint): number {
  return Number(hrtime.bigint() - startNs);
}

/** The lines of a file that a process wrote; one that was killed may have left half a line at the end. */
export function parseHistory(text: string): HistoryEvent[] {
  const lines = text.split('\n');
  lines.pop();
  return lines.map((line) => JSON.parse(line) as HistoryEvent);
}

/** One event, for people. */
export function textOfEvent({ at, process, what, ...rest }: HistoryEvent): string {
  const details = Object.values(rest).map((value) => String(value));
  return `${(at / 1e6).toFixed(3).padStart(12)} ms  ${process.padEnd(8)} ${what} ${details.join(' ')}`;
}
