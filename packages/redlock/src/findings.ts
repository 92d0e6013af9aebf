import type { Finding, NodeHealth } from '@holdfast/core';
import { clockLook, fine, harmful, type Look } from '@holdfast/core/backend';

/** What an operator should know of the nodes, from how they are. */
export function findingsOf(nodes: readonly NodeHealth[]): readonly Finding[] {
  const each = nodes.flatMap((health) => looksAt(health).map((look) => ({ server: health.node, ...look })));
  return [...each, { server: 'redlock', ...numberOf(nodes.length) }];
}

function looksAt(health: NodeHealth): readonly Look[] {
  const { up, clockOffsetMs } = health;
  if (!up || clockOffsetMs === null) return [stateOf(health)];
  return [stateOf(health), clockLook(clockOffsetMs, 'let all machines set their clocks by NTP')];
}

function stateOf({ up, quarantinedForMs, problem }: NodeHealth): Look {
  const about = 'node';
  if (!up) return harmful(about, problem ?? 'it does not answer', 'bring it back: each node that is down is one failure less to bear');
  if (problem !== null) return harmful(about, problem, 'see docs/redlock.md');
  if (quarantinedForMs === null || quarantinedForMs <= 0) return fine(about, 'it votes');
  return harmful(
    about,
    `it takes no part for another ${Math.ceil(quarantinedForMs / 1_000)} s`,
    'wait: the node was restarted, was emptied, or is new. holdfast init-nodes lets the nodes of a new deployment vote at once',
  );
}

function numberOf(count: number): Look {
  const about = 'nodes';
  if (count >= 3 && count % 2 === 1) return fine(about, `${count}`);
  const advice =
    count < 3 ? 'use three or five: fewer bear no failure' : 'use an odd number: an even one bears no more failures than one less';
  return harmful(about, `${count}`, advice);
}
