import type { HolderState, LockKind, LockState } from '@holdfast/core';
import { groupBy } from '@holdfast/core/backend';
import type { NodeHolder, NodeState } from './node.js';

/** What a quorum of nodes has in common: fewer votes are those of an attempt under way, or of one that failed, and nobody's hold. */
export function mergeStates(name: string, kind: LockKind, states: readonly NodeState[], quorum: number): LockState {
  const holders = [...byHolder(states).values()].flatMap((votes) => (votes.length < quorum ? [] : [readHolder(votes, quorum)]));
  return {
    name,
    kind,
    held: holders.length > 0,
    holders,
    waiters:
      agreed(
        states.map(({ waiters }) => waiters),
        quorum,
      ) ?? 0,
    oldestWaitMs: agreed(
      states.flatMap(({ oldestWaitMs }) => (oldestWaitMs === null ? [] : [oldestWaitMs])),
      quorum,
    ),
  };
}

/** The votes of the nodes, by whom they are for. */
function byHolder(states: readonly NodeState[]): ReadonlyMap<string, readonly NodeHolder[]> {
  return groupBy(
    states.flatMap(({ holders }) => holders),
    ({ mode, id }) => `${mode} ${id}`,
  );
}

/** What a quorum says at least; of fewer answers, what all of them say. null of none. */
function agreed(numbers: readonly number[], quorum: number): number | null {
  return [...numbers].sort((a, b) => b - a)[Math.min(quorum, numbers.length) - 1] ?? null;
}

/** Whether the nodes that have not answered can change nothing in who is a holder. */
export function areCertain(states: readonly NodeState[], pending: number, quorum: number): boolean {
  if (states.length < quorum) return false;
  return [...byHolder(states).values()].every(({ length }) => length >= quorum || length + pending < quorum);
}

function readHolder(votes: readonly NodeHolder[], quorum: number): HolderState {
  const [first] = votes as readonly [NodeHolder, ...NodeHolder[]];
  const { mode, permits } = first;
  const isOurs = first.id !== '';
  return {
    label: isOurs ? first.label : null,
    mode,
    permits,
    remainingMs: remainingOf(votes, quorum),
    heldMs: agreed(
      votes.flatMap(({ heldMs }) => (heldMs === null ? [] : [heldMs])),
      quorum,
    ),
    fencingToken: isOurs && mode !== 'permits' ? BigInt(tokenOf(votes)) : null,
  };
}

/** Until fewer than a quorum have it. */
function remainingOf(votes: readonly NodeHolder[], quorum: number): number | null {
  const remaining = votes.flatMap(({ remainingMs }) => (remainingMs === null ? [] : [remainingMs])).sort((a, b) => b - a);
  return remaining.length < votes.length ? null : (remaining[quorum - 1] ?? null);
}

/** Nodes keep their own counters, and the token is the highest that counted: the one that most of them have, as a rule all. */
function tokenOf(votes: readonly NodeHolder[]): number {
  const counts = new Map<number, number>();
  for (const { counter } of votes) counts.set(counter, (counts.get(counter) ?? 0) + 1);
  return [...counts].sort(([a, m], [b, n]) => n - m || b - a)[0]?.[0] ?? 0;
}
