import type { Clock } from '@holdfast/core';
import { askNodes } from './ask-nodes.js';
import type { ProtocolContext } from './context.js';
import type { Trial } from './trial.js';

/**
 * The second phase: nodes that gave less than the token raise their fence to it, if our vote still stands there.
 *
 * @param won trials that have a quorum of votes, and their token
 * @returns those of whose token a quorum of nodes has a fence that is at least as high
 */
export async function confirmVotes(
  { nodes, settings: { quorum } }: ProtocolContext,
  clock: Clock,
  won: readonly Trial[],
  timeoutMs: number,
): Promise<readonly Trial[]> {
  const confirmed = new Map(won.map((trial) => [trial, countFrom(trial.counters, trial.token)]));
  const isConfirmed = (trial: Trial): boolean => (confirmed.get(trial) ?? 0) >= quorum;
  const trials = won.filter((trial) => !isConfirmed(trial));
  if (trials.length === 0) return won;
  const asked = nodes.map((_, index) => trials.filter((trial) => isToConfirm(trial, index)));
  const open = new Map(trials.map((trial) => [trial, asked.filter((own) => own.includes(trial)).length]));
  await askNodes<readonly boolean[]>({
    nodes,
    clock,
    timeoutMs,
    ask: (node, index) => {
      const own = asked[index] ?? [];
      if (own.length === 0) return null;
      const requests = own.map((trial) => ({ unit: trial.unit, counter: trial.counters[index] ?? 0, token: trial.token }));
      return node.confirm(requests, timeoutMs);
    },
    onAnswer: (index, answer) => {
      for (const [at, trial] of (asked[index] ?? []).entries()) {
        open.set(trial, (open.get(trial) ?? 0) - 1);
        if (answer.kind === 'answered' && answer.value[at] === true) confirmed.set(trial, (confirmed.get(trial) ?? 0) + 1);
      }
    },
    isDecided: () => trials.every((trial) => isConfirmed(trial) || (confirmed.get(trial) ?? 0) + (open.get(trial) ?? 0) < quorum),
  });
  return won.filter(isConfirmed);
}

function isToConfirm(trial: Trial, node: number): boolean {
  const counter = trial.counters[node] ?? 0;
  return counter > 0 && counter < trial.token;
}

/** How many nodes have a fence that is at least the token. */
function countFrom(counters: readonly number[], token: number): number {
  return counters.filter((counter) => counter >= token).length;
}
