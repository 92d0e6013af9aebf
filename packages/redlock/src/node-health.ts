import type { Clock, NodeHealth } from '@holdfast/core';
import { answersOf, askNodes, type NodeAnswer, whenAllAnswered } from './protocol/ask-nodes.js';
import type { NodeStatus, RedlockNode } from './protocol/node.js';
import { quarantineMs } from './protocol/validity.js';

/** Asks each node how it is. */
export async function healthOf(
  nodes: readonly RedlockNode[],
  clock: Clock,
  timeoutMs: number,
  maxTtlMs: number,
): Promise<readonly NodeHealth[]> {
  const asked = clock.wall();
  const answeredAt: number[] = [];
  const answers = await askNodes<NodeStatus>({
    nodes,
    clock,
    timeoutMs,
    ask: (node) => node.status('look', timeoutMs),
    onAnswer: (index) => {
      answeredAt[index] = clock.wall();
    },
    isDecided: whenAllAnswered,
  });
  return nodes.map(({ label }, index) => {
    const answer = answers[index] ?? { kind: 'pending' };
    return describeNode(label, answer, (asked + (answeredAt[index] ?? asked)) / 2, maxTtlMs, answersOf(answers.slice(0, index)));
  });
}

/** What is worth telling of one node. @param atMs when it was asked, by this client's clock @param before the nodes in front of it */
function describeNode(
  node: string,
  answer: NodeAnswer<NodeStatus>,
  atMs: number,
  maxTtlMs: number,
  before: readonly NodeStatus[],
): NodeHealth {
  if (answer.kind !== 'answered') {
    const problem = answer.kind === 'failed' ? answer.failure.message : 'it did not answer in time';
    return { node, up: false, quarantinedForMs: null, clockOffsetMs: null, problem };
  }
  const { runId, marker, quarantineMs: rest, clockMicros } = answer.value;
  const isKnown = marker !== null && marker.runId === runId;
  return {
    node,
    up: true,
    // What it has not noticed yet, it will notice at the first request: from then on it counts.
    quarantinedForMs: isKnown ? rest : quarantineMs(maxTtlMs),
    clockOffsetMs: Math.round(clockMicros / 1000 - atMs),
    problem: problemOf(answer.value, maxTtlMs, before),
  };
}

function problemOf({ runId, marker, brokenFences }: NodeStatus, maxTtlMs: number, before: readonly NodeStatus[]): string | null {
  if (before.some((other) => other.runId === runId)) return 'it is the same server as another node';
  if (marker !== null && marker.maxTtlMs !== maxTtlMs) return `it was set up with maxTtlMs ${marker.maxTtlMs}`;
  if (brokenFences > 0) return `${brokenFences} of its keys holdfast.redlock:fence:... hold no counter, and it abstains for their names`;
  if (marker === null) return 'it is new, or was emptied';
  return marker.runId === runId ? null : 'it was restarted';
}
