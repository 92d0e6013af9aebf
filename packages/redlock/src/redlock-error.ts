import { LockArgumentError, LockClosedError, LockUnavailableError } from '@holdfast/core';
import type { NodeAnswer } from './protocol/ask-nodes.js';
import type { RedlockNode, Vote } from './protocol/node.js';

export const BACKEND = 'redlock';

/** Too few nodes took part, or those that did differ. Says of each why it did not. @param wasSentBefore an earlier question of the same call has left */
export function tooFewNodes(
  nodes: readonly RedlockNode[],
  answers: readonly NodeAnswer<unknown>[],
  quorum: number,
  lockName: string | null,
  wasSentBefore = false,
): LockUnavailableError {
  let usable = 0;
  let mayRecover = 0;
  let abstaining = 0;
  const reasons = nodes.flatMap((node, index) => {
    const answer = answers[index] ?? { kind: 'pending' };
    const abstention = answer.kind === 'answered' ? abstentionOf(answer.value) : null;
    const isFinal = answer.kind === 'failed' && !answer.failure.retryable;
    if (!isFinal) mayRecover += 1;
    if (abstention?.isQuarantine === true) abstaining += 1;
    if (answer.kind === 'answered' && abstention === null) {
      usable += 1;
      return [];
    }
    const without = answer.kind === 'pending' ? 'not waited for' : 'no answer';
    const reason = answer.kind === 'failed' ? answer.failure.message : (abstention?.reason ?? without);
    return [`${node.label}: ${reason}`];
  });
  const why = reasons.length === 0 ? '' : ` (${reasons.join('; ')})`;
  // What everybody meets who tries it for the first time.
  const advice =
    abstaining > 0 ? '; a quarantine ends by itself, and initializeNodes() (holdfast init-nodes) spares a new deployment its first' : '';
  const what =
    usable >= quorum
      ? `the ${usable} nodes that answered do not agree, and no other node decides`
      : `${usable} of ${nodes.length} nodes took part, and ${quorum} are needed`;
  return new LockUnavailableError(`redlock: ${what}${why}${advice}`, {
    backend: BACKEND,
    driver: driversOf(nodes),
    lockName,
    retryable: mayRecover >= quorum,
    wasSent: wasSentBefore || answers.some((answer) => answer.kind !== 'failed' || answer.failure.mayHappen),
  });
}

/** By which drivers the nodes are reached; null before one is loaded. */
export function driversOf(nodes: readonly RedlockNode[]): string | null {
  const names = new Set(nodes.flatMap(({ driver }) => driver ?? []));
  return names.size === 0 ? null : [...names].join(', ');
}

function abstentionOf(value: unknown): { readonly reason: string; readonly isQuarantine: boolean } | null {
  const first: unknown = Array.isArray(value) ? value[0] : value;
  if (typeof first !== 'object' || first === null || (first as Partial<Vote>).kind !== 'abstained') return null;
  const { forMs } = first as Extract<Vote, { kind: 'abstained' }>;
  return forMs === null
    ? { reason: 'its key of the last counter (holdfast.redlock:fence:...) holds none', isQuarantine: false }
    : { reason: inQuarantine(forMs), isQuarantine: true };
}

/** In words. */
function inQuarantine(forMs: number): string {
  return `in quarantine for ${Math.ceil(forMs / 1000)} s, as it was restarted, emptied or seen for the first time`;
}

/** Nodes answered, but not enough of them with the same for an answer. */
export function undecided(what: string, lockName: string | null): LockUnavailableError {
  return new LockUnavailableError(`redlock: ${what}`, { backend: BACKEND, lockName });
}

export function closedError(): LockClosedError {
  return new LockClosedError('redlock: the backend is closed', { backend: BACKEND });
}

export function tooLongTtl(ttlMs: number, maxTtlMs: number, lockName: string): LockArgumentError {
  return new LockArgumentError(
    `redlock: ttlMs of ${JSON.stringify(lockName)} comes to ${ttlMs} with its guard time; it must be at most maxTtlMs, ${maxTtlMs}, for which a restarted node abstains`,
    { option: 'ttlMs', backend: BACKEND, lockName },
  );
}
