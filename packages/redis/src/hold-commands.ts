import type { Answer, CallContext, HoldRef, HoldRequest, LockKind, LockState, ReleaseAnswer } from '@holdfast/core';
import type { BatchSender, Piece } from '@holdfast/core/backend';
import { readAcquired, readAnswer, readBoolean, readOnce, readRelease } from './answers.js';
import { readState } from './hold-state.js';
import { ForeignKeyError, unavailable } from './redis-error.js';
import type { WaitPlace } from './wait-place.js';
import { type KeySpace, letterOf, letterOfKind, type ModeLetter, type NameKeys } from './key-space.js';
import { type RedisStep, steps } from './redis-step.js';

/** A label is for people; a longer one is cut. */
const MAX_LABEL_LENGTH = 1024;

type RedisPiece = Piece<RedisStep>;

/** A place taken in a queue, or the grant that made it needless. */
export interface EnqueueReply {
  readonly answer: Answer<bigint>;
  /** The position, by which the place can be taken again. */
  readonly score: string;
  /** false: the server had not known that this manager is alive, and may have dropped its other places. */
  readonly wasKnown: boolean;
}

/** What each script is asked, and how its answer reads. The scripts say what their keys and arguments mean. */
export class HoldCommands {
  readonly #sender: BatchSender<RedisStep>;
  readonly #keySpace: KeySpace;

  constructor(sender: BatchSender<RedisStep>, keySpace: KeySpace) {
    this.#sender = sender;
    this.#keySpace = keySpace;
  }

  keysOf({ name, mode }: Pick<HoldRef, 'name' | 'mode'>): NameKeys {
    return this.#keySpace.keysOf(name, letterOf[mode]);
  }

  /** @param placeOf the manager's place among the waiters; '' where it does not wait */
  acquireAll(
    requests: readonly HoldRequest[],
    call: CallContext,
    placeOf: ((index: number) => string) | null = null,
  ): Promise<readonly Answer<bigint>[]> {
    const pieces = requests.map((request, index): RedisPiece => {
      const { name, owner, ttlMs, label } = request;
      const mode = letterOf[request.mode];
      const { slot, granting } = this.#keySpace.keysOf(name, mode);
      const place = placeOf?.(index) ?? '';
      const count = request.mode === 'permits' ? ` ${request.permits} ${request.limit}` : '';
      const text = `${mode} ${owner} ${ttlMs} ${place === '' ? '-' : place}${count} ${label.length <= MAX_LABEL_LENGTH ? label : shorten(label)}`;
      return { step: steps.acquire, route: slot, keys: granting, args: [text], lockName: name, owner, timeoutMs: call.timeoutMs, call };
    });
    return this.#sender.sendAll(pieces, readAcquired);
  }

  renewAll(holds: readonly (HoldRef & { readonly ttlMs: number })[], call: CallContext): Promise<readonly boolean[]> {
    const pieces = holds.map((hold): RedisPiece => {
      const mode = letterOf[hold.mode];
      const { slot, keys: all } = this.keysOf(hold);
      const [first, second = '', third = ''] = all;
      const keys = mode === 'p' ? [first, second] : mode === 'r' ? [second, third] : [first];
      return piece(steps.renew, slot, keys, [`${mode} ${hold.owner} ${hold.ttlMs}`], hold, call.timeoutMs, call);
    });
    return this.#sender.sendAll(pieces, readBoolean);
  }

  /**
   * Frees a hold, and whatever else its owner left.
   *
   * @param place the owner's place in the queue; '' if it has none
   * @param isLast whether that is the manager's last place for this name
   */
  release(hold: HoldRef, timeoutMs: number, place: string, isLast: boolean): Promise<ReleaseAnswer> {
    return this.#sender.send(this.#releasePiece(hold, timeoutMs, place, isLast), readRelease);
  }

  /** @param placeOf the place of each owner in the queue; '' if it has none */
  releaseAll(
    holds: readonly HoldRef[],
    timeoutMs: number,
    placeOf: ((hold: HoldRef) => string) | null = null,
  ): Promise<readonly ReleaseAnswer[]> {
    const pieces = holds.map((hold) => this.#releasePiece(hold, timeoutMs, placeOf?.(hold) ?? '', false));
    return this.#sender.sendAll(pieces, readRelease);
  }

  /** Gives up a manager's place among the waiters, and passes the turn on. */
  withdraw({ name, mode, keys: { slot, keys }, member }: WaitPlace, timeoutMs: number): Promise<boolean> {
    return this.#sender.send(piece(steps.withdraw, slot, keys, [mode, member], { name }, timeoutMs), readBoolean);
  }

  /** Gives back what was reserved for an owner that does not wait any more; never what it holds. */
  decline(hold: HoldRef, timeoutMs: number): Promise<boolean> {
    const { slot, keys } = this.keysOf(hold);
    return this.#sender.send(piece(steps.decline, slot, keys, [letterOf[hold.mode], hold.owner], hold, timeoutMs), readBoolean);
  }

  /**
   * @param score the former position, '' for a first time
   * @param isOnly whether it is the manager's only place for this name
   */
  enqueue(
    request: HoldRequest,
    place: string,
    score: string,
    isOnly: boolean,
    timeoutMs: number,
    call: CallContext,
  ): Promise<EnqueueReply> {
    const mode = letterOf[request.mode];
    const name = this.keysOf(request);
    const [permits, limit] = request.mode === 'permits' ? [request.permits, request.limit] : [1, 1];
    const { owner, ttlMs, label } = request;
    const counts = [String(permits), String(limit)];
    const args = [mode, owner, String(ttlMs), shorten(label), ...counts, place, score, isOnly ? '1' : '0'];
    return this.#sender.send(piece(steps.enqueue, name.slot, name.granting, args, request, timeoutMs, call), (reply, asked) => {
      const [answer, taken, known] = Array.isArray(reply) ? (reply as unknown[]) : [];
      return { answer: readAnswer(answer, asked), score: String(taken), wasKnown: Number(known) !== 0 };
    });
  }

  /**
   * Says that this manager is alive for its places in the queue of one name.
   *
   * @returns the owners for whom a place is reserved; null when the places were dropped and have to be taken again
   */
  refresh(name: string, mode: ModeLetter, { slot, keys }: NameKeys, timeoutMs: number): Promise<readonly string[] | null> {
    return this.#sender.send(piece(steps.refresh, slot, keys, [mode], { name }, timeoutMs), (reply) => {
      if (typeof reply !== 'string' && typeof reply !== 'number') throw unavailable(new Error('no reply'), name);
      const owners = String(reply);
      if (owners === 'WRONGTYPE') throw new ForeignKeyError(name);
      return owners === '0' ? null : owners.split(',').filter((owner) => owner !== '');
    });
  }

  inspect(name: string, kind: LockKind, call: CallContext): Promise<LockState> {
    const mode = letterOfKind[kind];
    const { slot, keys } = this.#keySpace.keysOf(name, mode);
    const asked = piece(steps.inspect, slot, keys, [mode], { name }, call.timeoutMs, call);
    return this.#sender.send(asked, (reply) => readState(reply, name, kind));
  }

  forceRelease(name: string, kind: LockKind, call: CallContext): Promise<boolean> {
    const mode = letterOfKind[kind];
    const { slot, keys } = this.#keySpace.keysOf(name, mode);
    return this.#sender.send(piece(steps.forceRelease, slot, keys, [mode], { name }, call.timeoutMs, call), readOnce);
  }

  /** It is sent also when its caller is gone: what is to be freed is to be freed. */
  #releasePiece({ name, owner, mode: held }: HoldRef, timeoutMs: number, place: string, isLast: boolean): RedisPiece {
    const mode = letterOf[held];
    const { slot, keys } = this.#keySpace.keysOf(name, mode);
    const text = `${mode} ${owner} ${place === '' ? '-' : place} ${isLast ? 1 : 0}`;
    return { step: steps.release, route: slot, keys, args: [text], lockName: name, owner, timeoutMs, call: null };
  }
}

function piece(
  step: RedisStep,
  route: number,
  keys: readonly string[],
  args: readonly string[],
  { name, owner = '' }: { readonly name: string; readonly owner?: string },
  timeoutMs: number,
  call: CallContext | null = null,
): RedisPiece {
  return { step, route, keys, args, lockName: name, owner, timeoutMs, call };
}

export function shorten(label: string): string {
  return label.length <= MAX_LABEL_LENGTH ? label : label.slice(0, MAX_LABEL_LENGTH).toWellFormed();
}
