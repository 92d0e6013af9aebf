import type { CallContext, FencingToken, HoldRequest } from '@holdfast/core';
import { tooFewNodes } from '../redlock-error.js';
import { askNodes } from './ask-nodes.js';
import { type ProtocolContext, stepMs } from './context.js';
import type { Extension } from './node.js';
import { majoritySays } from './quorum.js';
import { Trial } from './trial.js';
import { nodeTtlMs } from './validity.js';

/** Only a look: no vote is lengthened by it, none is put back, and no fence is raised to a token that nobody has drawn. */
const LOOK = { counter: 0, token: 0, ttlMs: 1, repair: false } as const;

/**
 * Learns under which counters the nodes keep a hold that another client won with this token. A vote above the token was put back after a
 * loss, when somebody else may have been there in between: it does not count now, but the next time, as after any repair. Whether
 * the hold stands is for the renewal to find out, which also frees the rest of one that does not.
 *
 * @returns false where no node has a vote under the token: the hold has another token, or is none. Nothing is freed of it
 * @throws LockUnavailableError when too few nodes answered to tell
 */
export async function adoptHold(
  context: ProtocolContext,
  request: HoldRequest,
  fencingToken: FencingToken,
  call: CallContext,
): Promise<boolean> {
  const { nodes, settings, holds, clock } = context;
  const { quorum } = settings;
  const { name, mode, owner, label, ttlMs } = request;
  const token = Number(fencingToken ?? 0n);
  const known = holds.get(owner);
  if (known !== undefined) return known.unit.name === name && known.unit.mode === mode && BigInt(known.token) === fencingToken;
  const unit = { name, mode, owner, slots: [], label };
  const hold = new Trial(request, unit, nodeTtlMs(ttlMs, settings.driftFactor), nodes.length);
  hold.fate = 'held';
  hold.token = token;
  hold.until = clock.now() + hold.nodeTtlMs;
  let [stands, gone, votes, pending] = [0, 0, 0, nodes.length];
  let isUnderToken = false;
  const timeoutMs = stepMs(settings, call.timeoutMs);
  const answers = await askNodes<readonly Extension[]>({
    nodes,
    clock: call.clock,
    timeoutMs,
    enough: quorum,
    longestMs: call.timeoutMs,
    ask: (node) => node.extend([{ unit, restMs: hold.nodeTtlMs, ...LOOK }], Math.max(1, call.timeoutMs)),
    onAnswer: (index, answer, isLate) => {
      context.watch.answered(index, answer);
      // A renewal has asked in the meantime, and knows.
      if (isLate) return;
      pending -= 1;
      const [found] = answer.kind === 'answered' ? answer.value : [];
      if (typeof found === 'object' && found !== null) {
        votes += 1;
        isUnderToken ||= BigInt(found.counter) === fencingToken;
      }
      if (typeof found === 'object' && found !== null && found.counter <= token) {
        hold.counters[index] = found.counter;
        stands += 1;
      } else if (found !== undefined) gone += 1;
    },
    isDecided: () => isUnderToken && majoritySays(stands, gone, pending, nodes.length, quorum) !== null,
  });
  const silent = nodes.length - stands - gone;
  if (stands + gone < quorum || (!isUnderToken && votes + silent >= quorum && silent > 0)) throw tooFewNodes(nodes, answers, quorum, name);
  if (isUnderToken) holds.add(owner, hold);
  return isUnderToken;
}
