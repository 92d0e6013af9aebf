import type { Result, TargetResult } from '../results.js';
import type { FigureTable } from './figure-table.js';

/** A peer that is better than the best of ours in one figure. */
export interface Behind {
  readonly peer: Result;
  readonly ours: Result;
  /** How many times better the peer is. */
  readonly times: number;
}

/** Less than this is within what two runs differ by. */
const leastTimes = 1.05;

/** Where some peer is ahead of every library of ours on the same store; the best such peer of each figure. */
export function behindPeers({ results }: FigureTable): readonly Behind[] {
  const groups = new Map<string, Result[]>();
  for (const figure of results.figures) {
    const key = `${figure.scenario} ${figure.backend}`;
    groups.set(key, [...(groups.get(key) ?? []), figure]);
  }
  return [...groups.values()].flatMap((figures) => {
    const ours = bestOf(figures.filter(({ role }) => role === 'ours'));
    const peer = bestOf(figures.filter(({ role }) => role === 'peer'));
    if (ours === null || peer === null) return [];
    const times = timesBetter(peer, ours);
    // Where both are 0 neither is ahead.
    return times >= leastTimes ? [{ peer, ours, times }] : [];
  });
}

/** Targets that this run did not reach. */
export function missedTargets({ results }: FigureTable): readonly TargetResult[] {
  return results.targets.filter(({ verdict }) => verdict === 'missed' || verdict === 'WRONG');
}

function bestOf(figures: readonly Result[]): Result | null {
  return figures.reduce<Result | null>((best, figure) => {
    if (figure.value === null) return best;
    return best === null || timesBetter(figure, best) > 1 ? figure : best;
  }, null);
}

function timesBetter(one: Result, other: Result): number {
  const [mine, theirs] = [one.value ?? 0, other.value ?? 0];
  return one.higherIsBetter ? mine / theirs : theirs / mine;
}
