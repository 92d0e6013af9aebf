import type { Finding, NodeHealth } from '@holdfast/core';

/** Above this a client's own clock, by which it hints at tokens, and the node's have drifted apart for some reason. */
const MOST_OFFSET_MS = 1_000;

/** What an operator should know of the nodes, from how they are. */
export function findingsOf(nodes: readonly NodeHealth[]): readonly Finding[] {
  return [...nodes.flatMap(ofNode), number(nodes.length)];
}

function ofNode({ node, up, quarantinedForMs, clockOffsetMs, problem }: NodeHealth): readonly Finding[] {
  if (!up) {
    return [
      {
        server: node,
        about: 'node',
        status: 'wrong',
        found: problem ?? 'it does not answer',
        advice: 'bring it back: each node that is down is one failure less to bear',
      },
    ];
  }
  const state: Finding =
    problem !== null
      ? { server: node, about: 'node', status: 'wrong', found: problem, advice: 'see docs/redlock.md' }
      : quarantinedForMs !== null && quarantinedForMs > 0
        ? {
            server: node,
            about: 'node',
            status: 'wrong',
            found: `it takes no part for another ${Math.ceil(quarantinedForMs / 1_000)} s`,
            advice:
              'wait: the node was restarted, was emptied, or is new. holdfast init-nodes lets the nodes of a new deployment vote at once',
          }
        : { server: node, about: 'node', status: 'ok', found: 'it votes' };
  if (clockOffsetMs === null) return [state];
  const found = `${clockOffsetMs >= 0 ? '+' : ''}${Math.round(clockOffsetMs)} ms against this machine`;
  const isNear = Math.abs(clockOffsetMs) <= MOST_OFFSET_MS;
  const clock: Finding = isNear
    ? { server: node, about: 'clock', status: 'ok', found }
    : { server: node, about: 'clock', status: 'wrong', found, advice: 'let all machines set their clocks by NTP' };
  return [state, clock];
}

function number(count: number): Finding {
  const server = 'redlock';
  if (count >= 3 && count % 2 === 1) return { server, about: 'nodes', status: 'ok', found: `${count}` };
  const advice =
    count < 3 ? 'use three or five: fewer bear no failure' : 'use an odd number: an even one bears no more failures than one less';
  return { server, about: 'nodes', status: 'wrong', found: `${count}`, advice };
}
