import type { Answer, CallContext, HoldRef, HoldRequest, LockKind, LockState } from '@holdfast/core';
import { readAnswer, readBoolean, wrongType } from './answers.js';
import { readState } from './hold-state.js';
import { type KeySpace, letterOf, letterOfKind, type ModeLetter, type NameKeys } from './key-space.js';
import type { Piece, ScriptSender } from './script-sender.js';
import { scripts } from './scripts.generated.js';

/** A label is for people; a longer one is cut. */
const MAX_LABEL_LENGTH = 1024;

type Read<T> = (reply: unknown, lockName: string | null) => T;

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
  readonly #sender: ScriptSender;
  readonly #keySpace: KeySpace;
  readonly #asker: string;

  constructor(sender: ScriptSender, keySpace: KeySpace, asker: string) {
    this.#sender = sender;
    this.#keySpace = keySpace;
    this.#asker = asker;
  }

  keysOf({ name, mode }: Pick<HoldRef, 'name' | 'mode'>): NameKeys {
    return this.#keySpace.keysOf(name, letterOf[mode]);
  }

  /** Asks without a place among the waiters. */
  acquire<T>(request: HoldRequest, call: CallContext, read: Read<T>): Promise<T> {
    return this.#sender.send(this.#acquirePiece(request, '', call), read);
  }

  /** @param placeOf the manager's place among the waiters; '' where it does not wait */
  acquireAll(requests: readonly HoldRequest[], placeOf: (index: number) => string, call: CallContext): Promise<readonly Answer<bigint>[]> {
    const pieces = requests.map((request, index) => this.#acquirePiece(request, placeOf(index), call));
    return this.#sender.sendAll(pieces, readAnswer);
  }

  renewAll(holds: readonly (HoldRef & { readonly ttlMs: number })[], call: CallContext): Promise<readonly boolean[]> {
    const pieces = holds.map((hold): Piece => {
      const mode = letterOf[hold.mode];
      const { slot, keys: all } = this.keysOf(hold);
      const [first, second = '', third = ''] = all;
      const keys = mode === 'p' ? [first, second] : mode === 'r' ? [second, third] : [first];
      const args = [`${mode} ${hold.owner} ${hold.ttlMs}`];
      return { script: scripts.renew, slot, keys, args, lockName: hold.name, timeoutMs: call.timeoutMs, call };
    });
    return this.#sender.sendAll(pieces, readBoolean);
  }

  /** @param place the owner's place in the queue; '' if it has none */
  release<T>(hold: HoldRef, timeoutMs: number, read: Read<T>, place = ''): Promise<T> {
    return this.#sender.send(this.#releasePiece(hold, timeoutMs, place, false), read);
  }

  /** @param isLast whether that is the manager's last place for this name */
  leaveQueue(hold: HoldRef, timeoutMs: number, place: string, isLast: boolean): Promise<boolean> {
    return this.#sender.send(this.#releasePiece(hold, timeoutMs, place, isLast), readBoolean);
  }

  /** @param placeOf the place of each owner in the queue; '' if it has none */
  releaseAll(holds: readonly HoldRef[], timeoutMs: number, placeOf: (hold: HoldRef) => string): Promise<readonly boolean[]> {
    const pieces = holds.map((hold) => this.#releasePiece(hold, timeoutMs, placeOf(hold), false));
    return this.#sender.sendAll(pieces, readBoolean);
  }

  /** Gives up a manager's place among the waiters, and passes the turn on. */
  withdraw(lockName: string, mode: ModeLetter, { slot, keys }: NameKeys, place: string, timeoutMs: number): Promise<boolean> {
    const args = [this.#asker, mode, place];
    return this.#sender.send({ script: scripts.withdraw, slot, keys, args, lockName, timeoutMs, call: null }, readBoolean);
  }

  /** Gives back what was reserved for an owner that does not wait any more; never what it holds. */
  decline({ name: lockName, owner, mode }: HoldRef, timeoutMs: number): Promise<boolean> {
    const { slot, keys } = this.keysOf({ name: lockName, mode });
    const args = [this.#asker, letterOf[mode], owner];
    return this.#sender.send({ script: scripts.decline, slot, keys, args, lockName, timeoutMs, call: null }, readBoolean);
  }

  enqueue(
    request: HoldRequest,
    name: NameKeys,
    place: string,
    score: string,
    isOnly: boolean,
    timeoutMs: number,
    call: CallContext,
  ): Promise<EnqueueReply> {
    const mode = letterOf[request.mode];
    const [permits, limit] = request.mode === 'permits' ? [request.permits, request.limit] : [1, 1];
    const { owner, ttlMs, label, name: lockName } = request;
    const counts = [String(permits), String(limit)];
    const args = [this.#asker, mode, owner, String(ttlMs), shorten(label), ...counts, place, score, isOnly ? '1' : '0'];
    const piece = { script: scripts.enqueue, slot: name.slot, keys: withFence(name, mode), args, lockName, timeoutMs, call };
    return this.#sender.send(piece, (reply) => {
      const [answer, taken, known] = Array.isArray(reply) ? (reply as unknown[]) : [];
      return { answer: readAnswer(answer, lockName), score: String(taken), wasKnown: Number(known) !== 0 };
    });
  }

  /**
   * Says that this manager is alive for its places in the queue of one name.
   *
   * @returns the owners for whom a place is reserved; null when the places were dropped and have to be taken again
   */
  refresh(lockName: string, mode: ModeLetter, { slot, keys }: NameKeys, timeoutMs: number): Promise<readonly string[] | null> {
    return this.#sender.send({ script: scripts.refresh, slot, keys, args: [mode], lockName, timeoutMs, call: null }, (reply) => {
      const owners = String(reply);
      if (owners === 'WRONGTYPE') throw wrongType(lockName);
      return owners === '0' ? null : owners.split(',').filter((owner) => owner !== '');
    });
  }

  inspect(name: string, kind: LockKind, call: CallContext): Promise<LockState> {
    const mode = letterOfKind[kind];
    const { slot, keys } = this.#keySpace.keysOf(name, mode);
    const piece = { script: scripts.inspect, slot, keys, args: [this.#asker, mode], lockName: name, timeoutMs: call.timeoutMs, call };
    return this.#sender.send(piece, (reply) => readState(reply, name, kind));
  }

  forceRelease(name: string, kind: LockKind, call: CallContext): Promise<boolean> {
    const mode = letterOfKind[kind];
    const { slot, keys } = this.#keySpace.keysOf(name, mode);
    const args = [this.#asker, mode];
    return this.#sender.send(
      { script: scripts.forceRelease, slot, keys, args, lockName: name, timeoutMs: call.timeoutMs, call },
      readBoolean,
    );
  }

  setMark(name: string, retentionMs: number, call: CallContext): Promise<boolean> {
    const { slot, key } = this.#keySpace.markKey(name);
    const args = [String(retentionMs)];
    return this.#sender.send(
      { script: scripts.setMark, slot, keys: [key], args, lockName: name, timeoutMs: call.timeoutMs, call },
      readBoolean,
    );
  }

  hasMark(name: string, call: CallContext): Promise<boolean> {
    const { slot, key } = this.#keySpace.markKey(name);
    return this.#sender.send(
      { script: scripts.hasMark, slot, keys: [key], args: [], lockName: name, timeoutMs: call.timeoutMs, call },
      readBoolean,
    );
  }

  #acquirePiece(request: HoldRequest, place: string, call: CallContext): Piece {
    const mode = letterOf[request.mode];
    const name = this.keysOf(request);
    const count = request.mode === 'permits' ? ` ${request.permits} ${request.limit}` : '';
    const text = `${mode} ${request.owner} ${request.ttlMs} ${place === '' ? '-' : place}${count} ${shorten(request.label)}`;
    const { timeoutMs } = call;
    return { script: scripts.acquire, slot: name.slot, keys: withFence(name, mode), args: [text], lockName: request.name, timeoutMs, call };
  }

  #releasePiece(hold: HoldRef, timeoutMs: number, place: string, isLast: boolean): Piece {
    const { slot, keys } = this.keysOf(hold);
    const args = [`${letterOf[hold.mode]} ${hold.owner} ${place === '' ? '-' : place} ${isLast ? 1 : 0}`];
    // Also when its caller is gone: what is to be freed is to be freed.
    return { script: scripts.release, slot, keys, args, lockName: hold.name, timeoutMs, call: null };
  }
}

function shorten(label: string): string {
  return label.length <= MAX_LABEL_LENGTH ? label : label.slice(0, MAX_LABEL_LENGTH).toWellFormed();
}

function withFence(name: NameKeys, mode: ModeLetter): readonly string[] {
  return mode === 'p' ? name.keys : [...name.keys, name.fence];
}
