import type { CallContext, HoldRef, ReleaseAnswer } from '@holdfast/core';
import { tooFewNodes } from '../redlock-error.js';
import { askNodes } from './ask-nodes.js';
import { type ProtocolContext, stepMs } from './context.js';
import type { Release as NodeRelease, ReleaseRequest } from './node.js';
import { majoritySays } from './quorum.js';
import { quarantineMs } from './validity.js';

interface Release {
  /** By which core knows it, and by which the nodes do: another one where it was passed on. */
  readonly owners: readonly string[];
  readonly request: ReleaseRequest;
  readonly until: number;
  /** Nodes that have freed it, for this release or for an earlier one without an outcome. */
  readonly freed: ReadonlySet<number>;
  /** Nodes that have answered. */
  readonly heard: Set<number>;
}

/**
 * Frees holds on all nodes. Nodes that do not answer, or whose answer is not final, are asked again in the background until it is, or
 * the hold has ended there by itself.
 *
 * @returns for each whether a quorum had it (fewer nodes are no hold), and whether a quorum can no longer come to have it
 * @throws LockUnavailableError when too few nodes answered to tell, or those that answered do not agree
 */
export async function releaseHolds(
  context: ProtocolContext,
  holds: readonly HoldRef[],
  call: CallContext,
): Promise<readonly ReleaseAnswer[]> {
  const { nodes, settings, cleaner, freedVotes } = context;
  const { quorum } = settings;
  const releases = holds.map(({ name, mode, owner }): Release => {
    const hold = context.holds.remove(owner);
    if (hold !== undefined) hold.fate = 'over';
    // One that is not in the table is the rest of an attempt whose answer was lost.
    const request = hold?.releaseRequest(false) ?? { name, mode, owner: context.holds.ownerAtNodes(owner), quiet: false };
    const until = hold?.until ?? context.clock.now() + quarantineMs(settings.maxTtlMs);
    return { owners: [owner, request.owner], request, until, freed: freedVotes.watch(request.owner, until), heard: new Set() };
  });
  const requests = releases.map(({ request }) => request);
  const timeoutMs = stepMs(settings, call.timeoutMs);
  const says = ({ freed, heard }: Release, pending: number): boolean | 'unknown' | null => {
    const absent = [...heard].filter((node) => !freed.has(node)).length;
    return majoritySays(freed.size, absent, pending, nodes.length, quorum);
  };
  const answers = await askNodes<readonly NodeRelease[]>({
    nodes,
    clock: call.clock,
    timeoutMs,
    enough: quorum,
    longestMs: call.timeoutMs,
    ask: (node) => node.release(requests, timeoutMs),
    onAnswer: (node, answer, isLate) => {
      context.watch.answered(node, answer);
      const told = (at: number): NodeRelease | undefined => (answer.kind === 'answered' ? answer.value[at] : undefined);
      const open = releases.filter((_, at) => told(at)?.isFinal !== true);
      cleaner.freeLater(open.map(({ request, until }) => ({ node, request, until })));
      for (const [at, { request, heard }] of releases.entries()) {
        const wasFreed = told(at)?.wasFreed;
        if (wasFreed === true) freedVotes.note(node, request.owner);
        if (wasFreed !== undefined && !isLate) heard.add(node);
      }
    },
    isDecided: (_, pending) => releases.every((release) => says(release, pending) !== null),
  });
  return releases.map((release) => {
    const wasOurs = says(release, 0);
    if (typeof wasOurs !== 'boolean') throw tooFewNodes(nodes, answers, quorum, release.request.name);
    freedVotes.forget(release.request.owner);
    const ended = [...release.heard].filter((node) => !release.owners.some((owner) => cleaner.has(node, owner)));
    return { wasOurs, isFinal: nodes.length - ended.length < quorum };
  });
}
