import type { Answer, CallContext, HoldRef, HoldRequest, ReleaseAnswer } from '@holdfast/core';
import type { RedisLink } from './link.js';
import type { RedisConnection } from './redis-connection.js';

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
  handOver(hold: HoldRef, next: HoldRequest, call: CallContext): Promise<Answer<bigint>>;
  release(hold: HoldRef, timeoutMs: number, left: LeftPlace): Promise<ReleaseAnswer>;
}

/**
 * Hands a hold on to the manager's own next waiter. Two requests, the release right behind the other, so in one round trip: the first hands
 * the hold on where it is the next one's turn, the second frees what the first has left, and hands that on to others.
 */
export class HandOver {
  readonly #steps: HandOverSteps;
  readonly #link: Pick<RedisLink, 'current'>;
  /** By which a hand-over was answered: its server knows the script. */
  #handedOnBy: RedisConnection | null = null;

  constructor(steps: HandOverSteps, link: Pick<RedisLink, 'current'>) {
    this.#steps = steps;
    this.#link = link;
  }

  async run(hold: HoldRef, next: HoldRequest, call: CallContext): Promise<readonly ReleaseAnswer[]> {
    const steps = this.#steps;
    const left = steps.leftBy(hold);
    const link = this.#link;
    const connection = link.current?.connection ?? null;
    const handing = steps.handOver(hold, next, call);
    if (connection === null || connection !== this.#handedOnBy) {
      // A server that has never run the script is asked a second time, with the whole text: the release must not overtake that.
      const [{ status }] = await Promise.allSettled([handing]);
      const after = link.current?.connection ?? null;
      if (status === 'fulfilled' && (connection === null || connection === after)) this.#handedOnBy = after;
    }
    const freeing = steps.release(hold, call.timeoutMs, left);
    const [handed, freed] = await Promise.allSettled([handing, freeing]);
    if (freed.status === 'rejected') throw freed.reason;
    const { wasOurs, isFinal } = freed.value;
    if (handed.status === 'fulfilled') return [{ wasOurs: wasOurs || handed.value.granted, isFinal, next: handed.value }];
    // Whose the hold was the release says only where the other has not handed it on.
    if (!wasOurs) throw handed.reason;
    return [{ wasOurs, isFinal, next: { granted: false, isFinal: false, remainingMs: null } }];
  }
}
