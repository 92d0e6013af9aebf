import type { CallContext, HoldRef, HoldRequest, ReleaseAnswer } from '@holdfast/core';
import type { ProtocolContext } from './context.js';
import type { Offer, Relay } from './relay.js';
import { releaseHolds } from './release.js';
import { renewHolds } from './renewal.js';
import type { Trial } from './trial.js';

/**
 * Releases holds, or passes them on to other requests of this client. What is passed on ends without a question to the nodes: a quorum
 * has confirmed it a moment ago. It is renewed at the same time, so that its next holder has the whole time, and hears of a loss.
 *
 * @throws LockUnavailableError when too few nodes answered to tell
 */
export async function giveBack(
  context: ProtocolContext,
  relay: Relay,
  refs: readonly HoldRef[],
  call: CallContext,
): Promise<readonly ReleaseAnswer[]> {
  const { holds } = context;
  const left = new Set(refs);
  const offers: Offer[] = [];
  let released: Promise<readonly ReleaseAnswer[]> | undefined;
  const letGo = (): void => {
    for (const offer of offers) relay.withdraw(offer);
    released ??= releaseAll(context, relay, [...left], call);
  };
  for (const ref of refs) {
    const hold = holds.get(ref.owner);
    // Its first release was answered as not final.
    if (holds.wasPassed(ref.owner)) left.delete(ref);
    if (hold === undefined || hold.unit.mode !== 'permits' || relay.isOthersTurn(hold)) continue;
    const onTaken = ({ owner, ttlMs }: HoldRequest): void => {
      left.delete(ref);
      holds.pass(hold, owner);
      confirm(context, hold, ttlMs);
    };
    const offer = { hold, onTaken, letGo };
    if (!relay.offer(offer)) offers.push(offer);
  }
  // The request that comes right behind a release comes in the same turn.
  if (offers.length > 0) await Promise.resolve();
  letGo();
  const answers = new Map([...left].map((ref, index) => [ref, index]));
  const freed = (await released) ?? [];
  return refs.map((ref) => freed[answers.get(ref) ?? Number.NaN] ?? passedAnswer(context, ref.owner));
}

function releaseAll(
  context: ProtocolContext,
  relay: Relay,
  refs: readonly HoldRef[],
  call: CallContext,
): Promise<readonly ReleaseAnswer[]> {
  if (refs.length === 0) return Promise.resolve([]);
  const ended = new Set<string>();
  for (const { name, owner } of refs) {
    const hold = context.holds.get(owner);
    if (hold !== undefined && relay.isOthersTurn(hold)) ended.add(name);
  }
  const released = releaseHolds(context, refs, call);
  for (const name of ended) relay.rest(name, released);
  return released;
}

/** One question at a time. What cannot be confirmed is soon too old to be passed on, and ends at its holder's deadline. */
function confirm(context: ProtocolContext, hold: Trial, ttlMs: number): void {
  if (hold.isBeingConfirmed) return;
  hold.isBeingConfirmed = true;
  const { name, mode } = hold.unit;
  const { clock, settings } = context;
  const call: CallContext = { timeoutMs: settings.nodeTimeoutMs, clock, signal: NEVER };
  const end = (): void => {
    hold.isBeingConfirmed = false;
  };
  renewHolds(context, [{ name, mode, owner: hold.heldBy, ttlMs }], call, true).then(end, end);
}

const NEVER = new AbortController().signal;

/** Final when no round of the owner's own attempt is left: the votes that stand are the next holder's. */
function passedAnswer({ nodes, settings, cleaner }: ProtocolContext, owner: string): ReleaseAnswer {
  const open = nodes.filter((_, node) => cleaner.has(node, owner)).length;
  return { wasOurs: true, isFinal: open < settings.quorum };
}
