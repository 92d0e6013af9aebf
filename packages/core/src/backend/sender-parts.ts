import type { Clock } from '../contract/clock.js';
import type { Link, Step } from './connection.js';
import type { FailureRules, Verdict } from './piece.js';

/** What differs between stores. */
export interface SenderParts<S extends Step> {
  readonly clock: Clock;
  readonly link: Link<S>;
  readonly failures: FailureRules;
  /** Keys and an argument that go in front of each command's. */
  readonly head: { readonly keys: readonly string[]; readonly argument: string };
  /** Whether requests of different routes may not share a command. */
  readonly byRoute: boolean;
  /** A connection is not given up sooner, however short the time that a request was given. */
  readonly leastSilenceMs: number;
  /** A server that was silent for so long is asked nothing more until it answers. @default it is asked */
  readonly refuseAfterMs?: number;
  /** Whether requests for this route had better not share a command. @default they may */
  isApart?(route: number): boolean;
  verdictOf(error: unknown, route: number): Verdict;
}
