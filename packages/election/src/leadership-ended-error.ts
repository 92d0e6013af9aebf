/**
 * What a leader's signal aborts with while its lease still stands: `'resigned'`: `resign()` was called; `'closed'`: the election was
 * closed; `'stepped-down'`: the lease could not be renewed, and its deadline is `stepDownMs` away. When the lease is lost the reason is its own LockLostError,
 * when the `signal` of `run` aborts it is that signal's.
 */
export class LeadershipEndedError extends Error {
  readonly reason: 'resigned' | 'closed' | 'stepped-down';
  /** The election's name. */
  readonly election: string;
  /** The term that ends: the lease's fencing token. */
  readonly term: bigint;

  constructor(reason: LeadershipEndedError['reason'], election: string, term: bigint) {
    super(`${JSON.stringify(election)}: ${TEXTS[reason]} (term ${term})`);
    this.name = 'LeadershipEndedError';
    this.reason = reason;
    this.election = election;
    this.term = term;
  }
}

const TEXTS = {
  resigned: 'the leader has resigned',
  closed: 'the election was closed',
  'stepped-down': 'the lease could not be renewed and ends soon, so the leader steps down',
} as const;
