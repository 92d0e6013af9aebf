/** The least number of nodes of which any two sets have one in common. */
export function majorityOf(nodes: number): number {
  return Math.floor(nodes / 2) + 1;
}

/** How many nodes have said what so far. */
export interface Tally {
  readonly granted: number;
  /** Answered with a refusal, being allowed to vote. */
  readonly refused: number;
  /** Have not answered yet. */
  readonly pending: number;
}

/**
 * - `won`: a quorum granted;
 * - `busy`: a quorum can no longer be reached, and a quorum answered: the store works, and somebody has it;
 * - `unavailable`: a quorum can no longer be reached, and too few will have answered to say that it is busy;
 * - `open`: what is pending decides.
 */
export type Verdict = 'won' | 'busy' | 'unavailable' | 'open';

/** Says as soon as it is certain what the outcome is, for even numbers of nodes too. */
export function verdictOf({ granted, refused, pending }: Tally, quorum: number): Verdict {
  if (granted >= quorum) return 'won';
  if (granted + pending >= quorum) return 'open';
  if (granted + refused >= quorum) return 'busy';
  return granted + refused + pending >= quorum ? 'open' : 'unavailable';
}

/** The same for a question with yes and no: true, false, 'unknown' when it stays open, null while it is. */
export function majoritySays(yes: number, no: number, pending: number, nodes: number, quorum: number): boolean | 'unknown' | null {
  if (yes >= quorum) return true;
  if (nodes - no < quorum) return false;
  return pending === 0 ? 'unknown' : null;
}

/** When a name that is refused by some nodes may be granted by a quorum: null when nobody can tell. */
export function freeAfterMs(granted: number, remaining: readonly (number | null)[], quorum: number): number | null {
  const known = remaining.filter((ms) => ms !== null).sort((a, b) => a - b);
  const missing = quorum - granted;
  return missing <= 0 ? 0 : (known[missing - 1] ?? null);
}
