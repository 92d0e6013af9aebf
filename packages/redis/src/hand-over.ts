import type { HoldRef, HoldRequest, ReleaseAnswer } from '@holdfast/core';
import type { RedisLink } from './link.js';

/** What a release takes out of a queue with its owner. */
export interface LeftPlace {
  /** '' where it has none. */
  readonly member: string;
  /** It is the manager's last one for this name. */
  readonly isLast: boolean;
}

/** What a hand-over consists of. */
interface HandOverSteps {
  leftBy(hold: HoldRef): LeftPlace;
  /** Frees the hold, and hands it on where it is the next one's turn: one step of the server, which expires. */
  handOver(hold: HoldRef, left: LeftPlace, next: HoldRequest, timeoutMs: number): Promise<ReleaseAnswer>;
  freeOne(hold: HoldRef, timeoutMs: number, left: LeftPlace): Promise<ReleaseAnswer>;
}

/** Frees a hold, and hands it on to the manager's own next waiter. */
export async function handOver(
  steps: HandOverSteps,
  link: Pick<RedisLink, 'current'>,
  hold: HoldRef,
  next: HoldRequest,
  timeoutMs: number,
): Promise<readonly ReleaseAnswer[]> {
  const left = steps.leftBy(hold);
  const contact = link.current;
  try {
    return [await steps.handOver(hold, left, next, timeoutMs)];
  } catch (error) {
    // Nobody knows what became of it: core asks for the release again.
    if (contact === null || link.current !== contact || !contact.connection.isOpen) throw error;
    // The server refused it, as one that came late or because it has no memory left: a release does not expire, and needs none.
    const freed = await steps.freeOne(hold, timeoutMs, left).catch(() => null);
    // What became of the next one depends on the first command, whatever the release says of itself.
    if (freed?.wasOurs !== true) throw error;
    return [{ ...freed, next: { granted: false, isFinal: false, remainingMs: null } }];
  }
}
