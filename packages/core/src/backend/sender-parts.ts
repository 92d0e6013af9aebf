import type { Clock } from '../contract/clock.js';
import type { Link, Step } from './connection.js';
import type { FailureRules, Verdict } from './piece.js';

/** What differs between stores. */
export interface SenderParts<S extends Step> {
  /** Where time and timers come from. */
  readonly clock: Clock;
  /** The way to the store. */
  readonly link: Link<S>;
  /** How failures are worded and compared. */
  readonly failures: FailureRules;
  /** Keys and an argument that go in front of each command's. */
  readonly head: {
    /** In front of the keys. */
    readonly keys: readonly string[];
    /** In front of the arguments. */
    readonly argument: string;
  };
  /** Whether requests of different routes may not share a command. */
  readonly byRoute: boolean;
  /** A connection is not given up sooner, however short the time that a request was given. */
  readonly leastSilenceMs: number;
  /** A server that was silent for so long is asked nothing more until it answers. @default it is asked */
  readonly refuseAfterMs?: number;
  /** Whether requests for this route should not share a command. @default they may */
  isApart?(route: number): boolean;
  /** What to do about a command that failed so. */
  verdictOf(error: unknown, route: number): Verdict;
}
