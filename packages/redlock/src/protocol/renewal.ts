import type { CallContext, HoldRef } from '@holdfast/core';
import { stampOf } from '@holdfast/core/backend';
import { tooFewNodes } from '../redlock-error.js';
import { askNodes, type NodeAnswer } from './ask-nodes.js';
import { type ProtocolContext, stepMs } from './context.js';
import type { Extension } from './node.js';
import { majoritySays } from './quorum.js';
import type { Trial } from './trial.js';
import { nodeTtlMs } from './validity.js';

/** Renewals shorter than this only look whether the hold stands; a vote put back for so long would be of no use. */
const SHORTEST_REPAIR_MS = 50;

interface Renewal {
  readonly hold: Trial;
  readonly ttlMs: number;
  stands: number;
  gone: number;
  pending: number;
  /** Nodes whose vote was not known when they were asked. */
  readonly hadNoVote: Set<number>;
  /** Put back on some node, where it counts from the next time on. */
  repaired: boolean;
}

/**
 * Keeps holds: each needs a quorum of nodes on which the vote still stands as it was given. What a node has lost is put
 * back there. A hold is lost when a quorum can no longer be reached; one node's "not yours" is not loss. What nodes still
 * have of a lost one, or were given back by this very renewal, is freed: it would be a lock that nobody holds.
 *
 * @param isOwn it was not core that asked: the holder of what is lost is notified
 * @returns for each hold true, false when it is definitely lost, null when too few nodes answered to tell
 * @throws LockUnavailableError when that is so for all
 */
export async function renewHolds(
  context: ProtocolContext,
  holds: readonly (HoldRef & { readonly ttlMs: number })[],
  call: CallContext,
  isOwn = false,
): Promise<readonly (boolean | null)[]> {
  const renewals = holds.map(({ owner, ttlMs }): Renewal | null => {
    const hold = context.holds.get(owner);
    return hold === undefined
      ? null
      : {
          hold,
          ttlMs: nodeTtlMs(ttlMs, context.settings.driftFactor),
          stands: 0,
          gone: 0,
          pending: 0,
          hadNoVote: new Set(),
          repaired: false,
        };
  });
  const stamp = stampOf(call.clock);
  const endsAt = stamp.now + call.timeoutMs;
  const all = renewals.filter((renewal) => renewal !== null);
  let answers = await ask(context, all, call, call.timeoutMs);
  // Those that were short of a node that was put back just now: there they count this time.
  const again = all.filter((renewal) => renewal.repaired && says(context, renewal) === 'unknown');
  const left = endsAt - call.clock.now();
  if (again.length > 0 && left >= 1) answers = await ask(context, again, call, left);
  const results = holds.map(({ owner, ttlMs }, index) => {
    const renewal = renewals[index] ?? null;
    // Given up meanwhile, for another holder of the same votes: what has been put back is about to be freed.
    if (renewal === null || renewal.hold.fate === 'lost') return false;
    const answer = says(context, renewal);
    if (answer === true) renewal.hold.confirmed = { stamp, ttlMs };
    if (answer === false) freeRest(context, isOwn ? null : owner, renewal);
    return typeof answer === 'boolean' ? answer : null;
  });
  if (results.length > 0 && results.every((result) => result === null)) {
    throw tooFewNodes(context.nodes, answers, context.settings.quorum, holds[0]?.name ?? null);
  }
  return results;
}

function says({ nodes, settings }: ProtocolContext, { stands, gone }: Renewal): boolean | 'unknown' | null {
  return majoritySays(stands, gone, 0, nodes.length, settings.quorum);
}

function ask(
  context: ProtocolContext,
  renewals: readonly Renewal[],
  call: CallContext,
  timeLeftMs: number,
): Promise<readonly NodeAnswer<readonly Extension[]>[]> {
  const { nodes, settings } = context;
  const timeoutMs = stepMs(settings, timeLeftMs);
  for (const renewal of renewals) {
    renewal.stands = 0;
    renewal.gone = 0;
    renewal.pending = nodes.length;
    renewal.repaired = false;
    renewal.hadNoVote.clear();
    for (const [node, counter] of renewal.hold.counters.entries()) if (counter === 0) renewal.hadNoVote.add(node);
    renewal.hold.until = Math.max(renewal.hold.until, context.clock.now() + renewal.ttlMs);
  }
  return askNodes<readonly Extension[]>({
    nodes,
    clock: call.clock,
    timeoutMs,
    enough: settings.quorum,
    longestMs: timeLeftMs,
    ask: (node, index) =>
      node.extend(
        renewals.map(({ hold, ttlMs }) => ({
          unit: hold.unit,
          counter: hold.counters[index] ?? 0,
          token: hold.token,
          ttlMs,
          restMs: Math.max(0, Math.ceil(hold.until - context.clock.now())),
          repair: ttlMs >= SHORTEST_REPAIR_MS,
        })),
        Math.max(1, timeLeftMs),
      ),
    onAnswer: (index, answer, isLate) => {
      context.watch.answered(index, answer);
      for (const [at, renewal] of renewals.entries()) {
        let extension = answer.kind === 'answered' ? answer.value[at] : undefined;
        if (typeof extension === 'object' && extension !== null) {
          // Its vote was still on its way when it was asked, and has come since: it stands as it was given.
          if (renewal.hadNoVote.has(index) && renewal.hold.counters[index] === extension.counter) extension = 'stands';
          else renewal.hold.counters[index] = extension.counter;
        }
        if (isLate) continue;
        renewal.pending -= 1;
        if (extension === 'stands') renewal.stands += 1;
        else if (extension !== undefined) renewal.gone += 1;
        if (typeof extension === 'object' && extension !== null) renewal.repaired = true;
      }
    },
    isDecided: () =>
      renewals.every(({ stands, gone, pending }) => majoritySays(stands, gone, pending, nodes.length, settings.quorum) !== null),
  });
}

/** Frees the rest of a lost hold on every node; where the renewal has not been answered, until it can have no effect any more. */
function freeRest({ nodes, holds, cleaner, onLost }: ProtocolContext, asker: string | null, { hold }: Renewal): void {
  const { name, mode } = hold.unit;
  const isHeld = holds.remove(hold.heldBy) !== undefined;
  hold.fate = 'lost';
  const request = hold.releaseRequest(false);
  void cleaner.free(nodes.map((_, node) => ({ node, request, until: hold.until })));
  // The present holder is notified unless that is who asked: it may have been passed on since.
  if (isHeld && hold.heldBy !== asker) onLost({ name, mode, owner: hold.heldBy });
}
