import type { Answer, CallContext, Clock, HoldRef, HoldRequest, ReleaseAnswer } from '@holdfast/core';
import { allOrWorst, type BatchSender, type Piece } from '@holdfast/core/backend';
import { noFence, readAcquired } from './answers.js';
import { readRelease, shorten } from './hold-commands.js';
import type { KeySpace } from './key-space.js';
import { unavailable } from './redis-error.js';
import { type RedisStep, steps } from './redis-step.js';

/** For so long after a refusal a slot is taken for one on the move: a resharding moves a slot in some milliseconds, or in minutes. */
const MOVES_MS = 3000;

/**
 * Locks in slots that are being moved to another node of the cluster. A command with several keys is refused there until all of them lie
 * on the same node, while one key always lies somewhere: so these go by their lock's key alone, in more than one step. Read/write locks
 * and semaphores, which lie in several keys, wait until the slot has moved.
 */
export class MovingSlots {
  readonly #clock: Clock;
  readonly #keySpace: KeySpace;
  readonly #movesUntil = new Map<number, number>();

  constructor(keySpace: KeySpace, clock: Clock) {
    this.#keySpace = keySpace;
    this.#clock = clock;
  }

  note(slot: number): void {
    this.#movesUntil.set(slot, this.#clock.now() + MOVES_MS);
  }

  /** Whether requests for it should go alone. */
  has(slot: number): boolean {
    const until = this.#movesUntil.get(slot);
    if (until === undefined) return false;
    if (until > this.#clock.now()) return true;
    this.#movesUntil.delete(slot);
    return false;
  }

  /** Whether it is a lock in such a slot. */
  concerns({ name, mode }: Pick<HoldRef, 'name' | 'mode'>): boolean {
    return this.#movesUntil.size > 0 && mode === 'exclusive' && this.has(this.#keySpace.slotOf(name));
  }

  /**
   * Asks for all together, and for each lock in such a slot in the way that works there; twice at most, since that a slot is being
   * moved is reported by a refusal.
   */
  async despite<Q extends Pick<HoldRef, 'name' | 'mode'>, A>(
    asked: readonly Q[],
    together: (those: readonly Q[]) => Promise<readonly A[]>,
    alone: (one: Q) => Promise<A>,
    isAgain = false,
  ): Promise<readonly A[]> {
    const apart = asked.filter((one) => this.concerns(one));
    const rest = apart.length === 0 ? asked : asked.filter((one) => !apart.includes(one));
    try {
      const [answers, ...others] = await allOrWorst<readonly A[]>(
        [rest.length === 0 ? Promise.resolve([]) : together(rest), ...apart.map(async (one) => [await alone(one)])],
        unavailable,
      );
      const answerOf = new Map<Q, A>();
      for (const [index, one] of rest.entries()) answerOf.set(one, answers?.[index] as A);
      for (const [index, one] of apart.entries()) answerOf.set(one, others[index]?.[0] as A);
      return asked.map((one) => answerOf.get(one) as A);
    } catch (error) {
      if (isAgain || !rest.some((one) => this.concerns(one))) throw error;
      return this.despite(asked, together, alone, true);
    }
  }

  /** One attempt, without a place among the waiters. */
  async acquire(sender: BatchSender<RedisStep>, request: HoldRequest, call: CallContext): Promise<Answer<bigint>> {
    const take = (fence: string): Promise<Answer<bigint> | 'reserved'> =>
      sender.send(
        this.#piece(steps.takeMoving, request, 'lock', [request.owner, String(request.ttlMs), fence, shorten(request.label)], call),
        (reply, piece, isFinal) => (reply === 'reserved' ? reply : readAcquired(reply, piece, isFinal)),
      );
    const first = await take('');
    if (first !== 'reserved') return first;
    const drawn = await sender.send(this.#piece(steps.drawFence, request, 'fence', [], call), (reply, { lockName }) => {
      if (reply === 'FENCE') throw noFence(lockName);
      if (typeof reply !== 'string') throw unavailable(new Error('no reply'), lockName);
      return reply;
    });
    const second = await take(drawn);
    if (second === 'reserved') throw unavailable(new Error('no reply'), request.name);
    return second;
  }

  release(sender: BatchSender<RedisStep>, hold: HoldRef, call: CallContext): Promise<ReleaseAnswer> {
    // Also when its caller is gone: what is to be freed is to be freed. Those who wait ask from time to time.
    return sender.send({ ...this.#piece(steps.dropMoving, hold, 'lock', [hold.owner], call), call: null }, readRelease);
  }

  #piece(
    step: RedisStep,
    { name, owner }: Pick<HoldRef, 'name' | 'owner'>,
    which: 'lock' | 'fence',
    args: readonly string[],
    call: CallContext,
  ): Piece<RedisStep> {
    const { slot, keys, fence } = this.#keySpace.keysOf(name, 'x');
    const key = which === 'fence' ? fence : keys[0];
    return { step, route: slot, keys: [key], args, lockName: name, owner, timeoutMs: call.timeoutMs, call };
  }
}
