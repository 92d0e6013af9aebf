import type {
  Answer,
  CallContext,
  DifferentLimit,
  HoldRef,
  HoldRequest,
  LockKind,
  LockState,
  Release,
  ReleaseAnswer,
  WaitLine,
} from '@holdfast/core';
import type { BatchSender, Piece } from '@holdfast/core/backend';
import { acquiredReader, type readAcquired, readBoolean, readHandedOn, readOnce } from './answers.js';
import { handOver, type LeftPlace } from './hand-over.js';
import { readState } from './hold-state.js';
import { closedError, ForeignKeyError, unavailable } from './redis-error.js';
import { type KeySpace, letterOf, letterOfKind, type ModeLetter, type NameKeys } from './key-space.js';
import type { RedisLink } from './link.js';
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
  /** The server's time, which is what it calls this sign of life. */
  readonly serverMs: number;
}

/** One name in whose queue somebody stands, or for which somebody waits in this process. */
export interface QueueName {
  readonly name: string;
  readonly mode: ModeLetter;
  readonly keys: NameKeys;
  /** Of a plain manager: its own line, of which at most the first stands in the queue. */
  readonly line: WaitLine | null;
}

/** What the queue of one name is like, to a manager that has said that it is alive. */
export interface LifeAnswer {
  readonly serverMs: number;
  /** When the first of what is held ends by itself. */
  readonly remainingMs: number | null;
  /** The owners that were granted while they waited, and have not confirmed it. */
  readonly granted: readonly string[];
}

/** Nobody of this manager waits for the name. */
export const NOWHERE: LeftPlace = { member: '', isLast: true };

/** The waiters of this manager in the queues on the server. */
export interface Waiters {
  /** Nobody waits. */
  readonly isIdle: boolean;
  /** The owner is being released, so it waits no more. @returns what it had */
  leftBy(hold: HoldRef): LeftPlace;
}

/** What each script is asked, and how its answer reads. The scripts say what their keys and arguments mean. */
export class HoldCommands {
  readonly #sender: BatchSender<RedisStep>;
  readonly #keySpace: KeySpace;
  readonly #read: typeof readAcquired;
  readonly #link: Pick<RedisLink, 'current'>;
  #waiters: Waiters | null = null;
  #isClosed = false;

  constructor(
    sender: BatchSender<RedisStep>,
    keySpace: KeySpace,
    link: Pick<RedisLink, 'current'>,
    onLimitDiffers: (seen: DifferentLimit) => void,
  ) {
    this.#sender = sender;
    this.#keySpace = keySpace;
    this.#link = link;
    this.#read = acquiredReader(onLimitDiffers);
  }

  keysOf({ name, mode }: Pick<HoldRef, 'name' | 'mode'>): NameKeys {
    return this.#keySpace.keysOf(name, letterOf[mode]);
  }

  /** Where those stand who leave their places with a release. */
  waitersAre(waiters: Waiters): void {
    this.#waiters = waiters;
  }

  /** Asks for nothing more; frees what its backend still has to free. */
  close(): void {
    this.#isClosed = true;
  }

  /** `attempt` of a backend on one server: as a field, so that the backend can have it as its own. */
  readonly acquireAll = (requests: readonly HoldRequest[], call: CallContext): Promise<readonly Answer<bigint>[]> => {
    if (this.#isClosed) return Promise.reject(closedError());
    const pieces = requests.map((request): RedisPiece => {
      const { name, owner, ttlMs, label } = request;
      const mode = letterOf[request.mode];
      const { slot, granting } = this.#keySpace.keysOf(name, mode);
      const count = request.mode === 'permits' ? ` ${request.permits} ${request.limit}` : '';
      const text = `${mode} ${owner} ${ttlMs}${count} ${label.length <= MAX_LABEL_LENGTH ? label : shorten(label)}`;
      return { step: steps.acquire, route: slot, keys: granting, args: [text], lockName: name, owner, timeoutMs: call.timeoutMs, call };
    });
    return this.#sender.sendAll(pieces, this.#read);
  };

  /** Frees a hold, and hands it on to the manager's own next waiter where it is that one's turn. */
  handOver(hold: HoldRef, { member, isLast }: LeftPlace, next: HoldRequest, timeoutMs: number): Promise<ReleaseAnswer> {
    const { slot, granting } = this.keysOf(hold);
    const { mode, owner, ttlMs, label } = next;
    const text = `${letterOf[hold.mode]} ${hold.owner} ${isLast ? 1 : 0} ${letterOf[mode]} ${owner} ${ttlMs} ${shorten(label)}`;
    // It is sent also when its caller is gone: what is to be freed is to be freed.
    const step = steps.handOver;
    const args = [text, member];
    return this.#sender.send(
      { step, route: slot, keys: granting, args, lockName: next.name, owner, freed: hold.owner, timeoutMs, call: null },
      readHandedOn,
    );
  }

  renewAll(
    holds: readonly (HoldRef & { readonly ttlMs: number; readonly restMs?: number })[],
    call: CallContext,
  ): Promise<readonly boolean[]> {
    const pieces = holds.map((hold): RedisPiece => {
      const mode = letterOf[hold.mode];
      const { slot, keys: all } = this.keysOf(hold);
      const [first, second = '', third = ''] = all;
      const keys = mode === 'p' ? [first, second] : mode === 'r' ? [second, third] : [first];
      return piece(steps.renew, slot, keys, [`${mode} ${hold.owner} ${hold.ttlMs} ${hold.restMs ?? 0}`], hold, call.timeoutMs, call);
    });
    return this.#sender.sendAll(pieces, readBoolean);
  }

  /** Frees one hold, and whatever else its owner left. */
  async freeOne(hold: HoldRef, timeoutMs: number, left: LeftPlace): Promise<ReleaseAnswer> {
    const [answer] = await this.free([hold], { timeoutMs }, { left });
    return answer as ReleaseAnswer;
  }

  /**
   * `release` of a backend on one server, likewise: frees holds, and whatever else their owners left. Sent also when the caller is gone:
   * what is to be freed is to be freed.
   *
   * @param underWay what the backend itself has begun, which goes on while it closes, and hands nothing on; `left`: what each has in a queue,
   *   where that is known already
   */
  readonly free = (
    holds: readonly Release[],
    { timeoutMs }: Pick<CallContext, 'timeoutMs'>,
    underWay: { readonly left: LeftPlace | null } | null = null,
  ): Promise<readonly ReleaseAnswer[]> => {
    if (underWay === null) {
      if (this.#isClosed) return Promise.reject(closedError());
      const [first] = holds;
      if (first?.next !== undefined && holds.length === 1 && isAlone(first))
        return handOver(this, this.#link, first, first.next, timeoutMs);
    }
    const isIdle = this.#waiters?.isIdle !== false;
    const pieces = holds.map((hold): RedisPiece => {
      const { member, isLast } = underWay?.left ?? (isIdle ? NOWHERE : this.leftBy(hold));
      const { name, owner } = hold;
      const mode = letterOf[hold.mode];
      const { slot, granting } = this.#keySpace.keysOf(name, mode);
      const text = `${mode} ${owner} ${isLast ? 1 : 0} ${member === '' ? '-' : member}`;
      return { step: steps.release, route: slot, keys: granting, args: [text], lockName: name, owner, timeoutMs, call: null };
    });
    return this.#sender.sendAll(pieces, readRelease);
  };

  /** What the owner, which is being released, had in a queue. */
  leftBy(hold: HoldRef): LeftPlace {
    return this.#waiters?.leftBy(hold) ?? NOWHERE;
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
    const { owner, ttlMs } = request;
    const args = [mode, owner, String(ttlMs), place, score, isOnly ? '1' : '0'];
    return this.#sender.send(piece(steps.enqueue, name.slot, name.granting, args, request, timeoutMs, call), (reply, asked) => {
      const [answer, taken, known, serverMs] = Array.isArray(reply) ? (reply as unknown[]) : [];
      return { answer: this.#read(answer, asked, true), score: String(taken), wasKnown: Number(known) !== 0, serverMs: Number(serverMs) };
    });
  }

  /**
   * Says that this manager is alive for its places in the queues of some names, in one command.
   *
   * @returns for each name: null when the places were dropped and have to be taken again; an error where its keys hold something else
   */
  refresh(names: readonly QueueName[], timeoutMs: number): Promise<readonly (LifeAnswer | null | ForeignKeyError)[]> {
    const pieces = names.map(({ name, mode, keys, line }) => {
      const text = line === null ? mode : `${mode} ${line.waiters} ${Math.max(0, Math.floor(line.oldestWaitMs))}`;
      return piece(steps.refresh, keys.slot, keys.granting, [text], { name }, timeoutMs);
    });
    return this.#sender.sendAll(pieces, (reply, { lockName }) => {
      if (reply === 'WRONGTYPE') return new ForeignKeyError(lockName);
      if (Number(reply) === 0) return null;
      const [, serverMs, left, owners = ''] = /^(\d{1,16}) (-1|\d{1,16}) ([0-9a-f,]*)$/.exec(String(reply)) ?? [];
      if (serverMs === undefined) throw unavailable(new Error('no reply'), lockName);
      const remainingMs = left === '-1' ? null : Number(left);
      return { serverMs: Number(serverMs), remainingMs, granted: owners.split(',').filter((owner) => owner !== '') };
    });
  }

  inspect(name: string, kind: LockKind, call: CallContext): Promise<LockState> {
    const mode = letterOfKind[kind];
    const { slot, granting } = this.#keySpace.keysOf(name, mode);
    const asked = piece(steps.inspect, slot, granting, [mode], { name }, call.timeoutMs, call);
    return this.#sender.send(asked, (reply) => readState(reply, name, kind));
  }

  forceRelease(name: string, kind: LockKind, call: CallContext): Promise<boolean> {
    const mode = letterOfKind[kind];
    const { slot, granting } = this.#keySpace.keysOf(name, mode);
    return this.#sender.send(piece(steps.forceRelease, slot, granting, [mode], { name }, call.timeoutMs, call), readOnce);
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

/** Whether nobody else holds the name beside it. */
function isAlone({ mode }: HoldRef): boolean {
  return mode === 'exclusive' || mode === 'write';
}

export function shorten(label: string): string {
  return label.length <= MAX_LABEL_LENGTH ? label : label.slice(0, MAX_LABEL_LENGTH).toWellFormed();
}

/** Reads one reply of release.lua. */
export function readRelease(reply: unknown, piece: RedisPiece, isFinal: boolean, isOnly: boolean): ReleaseAnswer {
  return { wasOurs: reply === 1 || readOnce(reply, piece, isFinal, isOnly), isFinal };
}
