import type { Clock, HoldRequest } from '@holdfast/core';
import { ATTEMPT_DIGITS } from './cleaner.js';
import type { ProtocolContext } from './context.js';
import type { Unit } from './node.js';
import { freeSlots, guessSlots } from './slots.js';
import { Trial } from './trial.js';
import { nodeTtlMs } from './validity.js';

/** Votes that were split between clients are cast again this often; when it may as well be held, fewer times. */
const SPLIT_ROUNDS = 10;
const DOUBTFUL_ROUNDS = 4;

/** The first round of a request. Asked twice, the same grant is answered twice: the token is what it was, and the nodes are asked to keep it so long. */
export function firstTrial(context: ProtocolContext, clock: Clock, request: HoldRequest): Trial {
  const known = context.holds.get(request.owner);
  if (known === undefined) return trialOf(context, request, unitOf(context, clock, request, null, 0));
  const trial = trialOf(context, request, known.unit);
  trial.token = known.token;
  return trial;
}

/**
 * The next round of a request, which the last has not won.
 *
 * @param round the number of the last round; the first is 0
 * @returns null where another round does not help: somebody else has it, as far as the nodes say, or there were rounds enough
 */
export function nextTrial(context: ProtocolContext, clock: Clock, last: Trial, round: number): Trial | null {
  const { request } = last;
  const { quorum } = context.settings;
  let slots: readonly number[] | null = null;
  if (request.mode === 'permits') {
    slots = freeSlots({ limit: request.limit, permits: request.permits, random: () => clock.random() }, last.votes, quorum);
    if (slots === null && (last.granted === 0 || round >= DOUBTFUL_ROUNDS)) return null;
    if (round >= SPLIT_ROUNDS) return null;
  } else {
    if (last.granted === 0 || last.isHeldByAnother(quorum)) return null;
    const isDoubtful = last.refusals.some(({ holder }) => holder === null) || last.votes.some((vote) => typeof vote === 'string');
    if (round >= (isDoubtful ? DOUBTFUL_ROUNDS : SPLIT_ROUNDS)) return null;
  }
  return trialOf(context, request, unitOf(context, clock, request, slots, round + 1));
}

/** @param slots null: which are free is not known, and is guessed */
function unitOf(context: ProtocolContext, clock: Clock, request: HoldRequest, slots: readonly number[] | null, round: number): Unit {
  const { name, mode, label } = request;
  let chosen: readonly number[] = [];
  if (request.mode === 'permits') {
    const { limit, permits } = request;
    chosen = slots ?? guessSlots({ limit, permits, random: () => clock.random() }, context.holds.slotsOf(name));
  }
  return { name, mode, label, owner: ownerOfRound(request.owner, round), slots: chosen };
}

function trialOf({ nodes, settings, clock }: ProtocolContext, request: HoldRequest, unit: Unit): Trial {
  const trial = new Trial(request, unit, nodeTtlMs(request.ttlMs, settings.driftFactor), nodes.length);
  trial.until = clock.now() + trial.nodeTtlMs;
  return trial;
}

/**
 * A round of its own has an owner token of its own, or what frees the last round would free this one too. As many random bits as before;
 * the leading digits stay, by which nodes and people know whose it is.
 */
function ownerOfRound(owner: string, round: number): string {
  if (round === 0) return owner;
  const last = Number.parseInt(owner.slice(ATTEMPT_DIGITS), 16) ^ round;
  return owner.slice(0, ATTEMPT_DIGITS) + last.toString(16).padStart(4, '0');
}
