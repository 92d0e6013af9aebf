import type { CallContext, HoldRef } from '@holdfast/core';
import { tooFewNodes } from '../redlock-error.js';
import { askNodes } from './ask-nodes.js';
import type { ProtocolContext } from './context.js';
import type { ReleaseRequest } from './node.js';
import { majoritySays } from './quorum.js';
import type { Trial } from './trial.js';
import { quarantineMs } from './validity.js';

interface Release {
  readonly hold: Trial | undefined;
  readonly request: ReleaseRequest;
  readonly until: number;
  freed: number;
  absent: number;
  pending: number;
}

/**
 * Frees holds on all nodes. Nodes that do not answer are asked again in the background until they do, or the hold has
 * ended there by itself.
 *
 * @returns for each whether a quorum had it: fewer nodes are no hold
 * @throws LockUnavailableError when too few nodes answered to tell
 */
export async function releaseHolds(context: ProtocolContext, holds: readonly HoldRef[], call: CallContext): Promise<readonly boolean[]> {
  const { nodes, settings, cleaner } = context;
  const { quorum } = settings;
  const releases = holds.map(({ name, mode, owner }): Release => {
    const hold = context.holds.remove(owner);
    if (hold !== undefined) hold.fate = 'over';
    for (const [node, vote] of hold?.votes.entries() ?? []) if (vote === 'pending') hold?.freeing.add(node);
    return {
      hold,
      // One that is not in the table is the rest of an attempt whose answer was lost.
      request: hold?.releaseRequest(false) ?? { name, mode, owner, quiet: false },
      until: hold?.until ?? context.clock.now() + quarantineMs(settings.maxTtlMs),
      freed: 0,
      absent: 0,
      pending: nodes.length,
    };
  });
  const requests = releases.map(({ request }) => request);
  const timeoutMs = Math.max(1, Math.min(settings.nodeTimeoutMs, call.timeoutMs));
  const says = ({ freed, absent, pending }: Release): boolean | 'unknown' | null =>
    majoritySays(freed, absent, pending, nodes.length, quorum);
  const answers = await askNodes<readonly boolean[]>({
    nodes,
    clock: call.clock,
    timeoutMs,
    enough: quorum,
    longestMs: call.timeoutMs,
    ask: (node) => node.release(requests, timeoutMs),
    onAnswer: (index, answer, isLate) => {
      if (answer.kind === 'failed') {
        // The vote may have ended with the same connection: then the server may find that request after the free, too.
        const isUncertain = (hold: Trial | undefined): boolean => hold?.votes[index] === 'failed';
        void cleaner.free(releases.map(({ hold, request, until }) => ({ node: index, request, until, isUncertain: isUncertain(hold) })));
      }
      for (const [at, release] of releases.entries()) {
        const wasLate = release.hold?.freeing.delete(index) === true;
        if (wasLate && answer.kind === 'answered' && answer.value[at] !== true) freeLateVote(context, release, index);
      }
      if (isLate) return;
      for (const [at, release] of releases.entries()) {
        release.pending -= 1;
        const wasFreed = answer.kind === 'answered' ? answer.value[at] : undefined;
        if (wasFreed === true) release.freed += 1;
        else if (wasFreed === false) release.absent += 1;
      }
    },
    isDecided: () => releases.every((release) => says(release) !== null),
  });
  return releases.map((release) => {
    const freed = says({ ...release, pending: 0 });
    if (typeof freed !== 'boolean') throw tooFewNodes(nodes, answers, quorum, release.request.name);
    return freed;
  });
}

/** The vote came when the release was under way, which did not find it: the node was asked in another order. */
function freeLateVote({ cleaner }: ProtocolContext, { hold, request, until }: Release, node: number): void {
  if ((hold?.counters[node] ?? 0) > 0) void cleaner.free([{ node, request, until, isUncertain: false }]);
}
