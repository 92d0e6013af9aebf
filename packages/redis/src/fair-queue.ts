import {
  type Answer,
  type CallContext,
  type HoldRequest,
  isLockError,
  LockUnavailableError,
  type Stamp,
  systemClock,
} from '@holdfast/core';
import { readAnswer, readBoolean } from './answers.js';
import { type KeySpace, letterOf, letterOfKind, type ModeLetter, type NameKeys } from './key-space.js';
import { unavailable } from './redis-error.js';
import { releaseText, type ScriptSender } from './script-sender.js';
import { scripts } from './scripts.generated.js';
import type { WakeChannel } from './wake-channel.js';

type Granted = Extract<Answer<bigint>, { granted: true }>;

/** How often a manager says that it is alive, for all its waiters of a name at once. The server forgets it after 1,600 ms. */
const REFRESH_MS = 700;
const RETRY_MS = 100;
/** For so long a waiter keeps its place while the server cannot be reached; then core decides. */
const PATIENCE_MS = 1000;
const COMMAND_MS = 2000;

/** What the queue needs of its backend. */
export interface FairQueueParts {
  readonly id: string;
  readonly asker: string;
  readonly keySpace: KeySpace;
  readonly sender: ScriptSender;
  readonly channel: WakeChannel;
  /** Confirms a grant, or undoes it and throws. */
  readonly confirm: (request: HoldRequest, keys: NameKeys, timeoutMs: number) => Promise<void>;
}

/** One waiter: it keeps its place until it is granted or leaves. */
class Place {
  readonly request: HoldRequest;
  readonly mode: ModeLetter;
  readonly keys: NameKeys;
  readonly member: string;
  readonly call: CallContext;
  /** Its position on the server, kept so that it can be taken again. '' before the first answer. */
  score = '';
  /** It has to ask: it has just come, its turn has come, or its place was lost. */
  mustAsk = true;
  #next: (() => void) | null = null;
  #failure: unknown = null;
  #isFailed = false;

  constructor(request: HoldRequest, keys: NameKeys, id: string, call: CallContext) {
    this.request = request;
    this.mode = letterOf[request.mode];
    this.keys = keys;
    this.call = call;
    const [permits, limit] = request.mode === 'permits' ? [request.permits, request.limit] : [1, 1];
    this.member = `${request.owner}:${id}:${this.mode}:${permits}:${limit}`;
  }

  /** Resolves when it has to ask. @throws what ended the wait */
  async turn(): Promise<void> {
    while (!this.mustAsk && !this.#isFailed) {
      await new Promise<void>((resolve) => {
        this.#next = resolve;
      });
    }
    this.throwIfEnded();
  }

  throwIfEnded(): void {
    if (this.#isFailed) throw this.#failure;
  }

  ask(): void {
    this.mustAsk = true;
    this.#next?.();
  }

  fail(reason: unknown): void {
    if (this.#isFailed) return;
    this.#isFailed = true;
    this.#failure = reason;
    this.#next?.();
  }
}

/** The waiters of this backend in the queues on the server. */
export class FairQueue {
  readonly #parts: FairQueueParts;
  readonly #byOwner = new Map<string, Place>();
  readonly #byHold = new Map<string, Set<Place>>();
  readonly #waits = new Set<Promise<Granted>>();
  #timer: { cancel(): void } | null = null;
  #failingSince: number | null = null;
  #isClosed = false;

  constructor(parts: FairQueueParts) {
    this.#parts = parts;
  }

  /** Its owner is being released, so it waits no more. @returns its place on the server; '' if it has none */
  dismiss(owner: string): string {
    const place = this.#byOwner.get(owner);
    if (place === undefined) return '';
    const { name } = place.request;
    place.fail(new LockUnavailableError('redis: the request was released while it waited', { lockName: name, backend: 'redis' }));
    return place.member;
  }

  wait(request: HoldRequest, call: CallContext): Promise<Granted> {
    const wait = this.#wait(request, call);
    this.#waits.add(wait);
    const ended = (): void => void this.#waits.delete(wait);
    wait.then(ended, ended);
    return wait;
  }

  async #wait(request: HoldRequest, call: CallContext): Promise<Granted> {
    call.signal.throwIfAborted();
    const place = new Place(request, this.#parts.keySpace.keysOf(request.name, letterOf[request.mode]), this.#parts.id, call);
    const onAbort = (): void => place.fail(call.signal.reason);
    call.signal.addEventListener('abort', onAbort);
    this.#parts.channel.use();
    this.#enter(place);
    let granted = false;
    try {
      // Nobody could call us before it stands.
      await this.#parts.channel.open(Math.min(call.timeoutMs, COMMAND_MS));
      const grant = await this.#untilGranted(place);
      granted = true;
      return grant;
    } finally {
      call.signal.removeEventListener('abort', onAbort);
      this.#leave(place);
      this.#parts.channel.unuse();
      if (!granted) await this.#withdraw(place);
    }
  }

  /** A place was reserved for this owner. @returns false when it does not wait here (any more) */
  wake(owner: string): boolean {
    const place = this.#byOwner.get(owner);
    place?.ask();
    return place !== undefined;
  }

  /** Messages may have been missed: says at once that it is here, and hears what is reserved. */
  refreshNow(): void {
    if (this.#byHold.size === 0) return;
    this.#timer?.cancel();
    this.#timer = null;
    void this.#refresh();
  }

  /** Undoes what was reserved for an owner that does not wait here any more. */
  giveBack(holdKey: string, owner: string): void {
    const { keySpace } = this.#parts;
    const known = keySpace.parse(holdKey);
    if (known === null) return;
    const modes: readonly ModeLetter[] = known.kind === 'read-write' ? ['w', 'r'] : [letterOfKind[known.kind]];
    for (const mode of modes) {
      this.#release(known.name, keySpace.keysOf(known.name, mode), mode, owner, '', COMMAND_MS).catch(() => {});
    }
  }

  /** Ends every wait; resolves when each has left its queue. */
  async close(reason: unknown): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#timer = null;
    for (const place of this.#byOwner.values()) place.fail(reason);
    await Promise.allSettled(this.#waits);
  }

  async #untilGranted(place: Place): Promise<Granted> {
    const { request, call, keys } = place;
    for (;;) {
      await place.turn();
      place.mustAsk = false;
      const stamp: Stamp = { now: call.clock.now(), wall: call.clock.wall() };
      const answer = await this.#enqueue(place);
      if (!answer.granted) {
        this.#arm(REFRESH_MS);
        continue;
      }
      place.throwIfEnded();
      await this.#parts.confirm(request, keys, call.timeoutMs);
      return { granted: true, fencingToken: answer.fencingToken, stamp };
    }
  }

  /** Asks for the hold, and takes its place in the queue, the former one if it had one, when it is not free. */
  #enqueue(place: Place): Promise<Answer<bigint>> {
    const { request, keys, mode, member, call } = place;
    const [permits, limit] = request.mode === 'permits' ? [request.permits, request.limit] : [1, 1];
    const { asker, sender } = this.#parts;
    const piece = {
      script: scripts.enqueue,
      slot: keys.slot,
      keys: mode === 'p' ? keys.keys : [...keys.keys, keys.fence],
      args: [
        asker,
        mode,
        request.owner,
        String(request.ttlMs),
        request.label,
        String(permits),
        String(limit),
        member,
        place.score,
        this.#isLast(place) ? '1' : '0',
      ],
      lockName: request.name,
      timeoutMs: Math.min(call.timeoutMs, COMMAND_MS),
      call,
    };
    return sender.send(piece, (reply, name) => {
      const [first, score, known] = Array.isArray(reply) ? (reply as unknown[]) : [];
      const answer = readAnswer(first, name);
      if (answer.granted) return answer;
      if (Number(known) === 0) this.#askAgain(this.#byHold.get(this.#parts.keySpace.onServer(keys.keys[0])) ?? []);
      place.score = String(score);
      return answer;
    });
  }

  /** Our places were dropped, because we were thought dead. Those that have just come are on their way. */
  #askAgain(places: Iterable<Place>): void {
    for (const place of places) if (place.score !== '') place.ask();
  }

  #isLast(place: Place): boolean {
    return this.#byHold.get(this.#parts.keySpace.onServer(place.keys.keys[0]))?.size === 1;
  }

  #enter(place: Place): void {
    this.#byOwner.set(place.request.owner, place);
    const hold = this.#parts.keySpace.onServer(place.keys.keys[0]);
    const others = this.#byHold.get(hold);
    if (others === undefined) this.#byHold.set(hold, new Set([place]));
    else others.add(place);
  }

  #leave(place: Place): void {
    this.#byOwner.delete(place.request.owner);
    const hold = this.#parts.keySpace.onServer(place.keys.keys[0]);
    const others = this.#byHold.get(hold);
    others?.delete(place);
    if (others?.size === 0) this.#byHold.delete(hold);
    if (this.#byHold.size > 0) return;
    this.#timer?.cancel();
    this.#timer = null;
    this.#failingSince = null;
  }

  /** Leaves nothing behind; what cannot be told the server now, it forgets when this manager is next asked or silent. */
  async #withdraw(place: Place): Promise<void> {
    const { request, keys, mode, member, call } = place;
    await this.#release(request.name, keys, mode, request.owner, member, Math.min(call.timeoutMs, COMMAND_MS)).catch(() => {});
  }

  #release(name: string, { slot, keys }: NameKeys, mode: ModeLetter, owner: string, member: string, timeoutMs: number): Promise<boolean> {
    const args = [releaseText(mode, owner, member, member !== '' && !this.#byHold.has(this.#parts.keySpace.onServer(keys[0])))];
    return this.#parts.sender.send({ script: scripts.release, slot, keys, args, lockName: name, timeoutMs, call: null }, readBoolean);
  }

  #arm(delayMs: number): void {
    if (this.#timer !== null || this.#isClosed) return;
    this.#timer = systemClock.setTimer(delayMs, () => {
      this.#timer = null;
      void this.#refresh();
    });
  }

  async #refresh(): Promise<void> {
    const outcomes = await Promise.allSettled([...this.#byHold.values()].map((places) => this.#refreshName(places)));
    if (this.#byHold.size === 0 || this.#isClosed) return;
    const failed = outcomes.filter((outcome) => outcome.status === 'rejected');
    if (failed.length === 0) {
      this.#failingSince = null;
      this.#arm(REFRESH_MS);
    } else {
      this.#arm(RETRY_MS);
    }
  }

  async #refreshName(places: ReadonlySet<Place>): Promise<void> {
    const [first] = places;
    if (first === undefined) return;
    try {
      const { slot, keys } = first.keys;
      const piece = {
        script: scripts.refresh,
        slot,
        keys,
        args: [first.mode],
        lockName: first.request.name,
        timeoutMs: COMMAND_MS,
        call: null,
      };
      const reply = await this.#parts.sender.send(piece, String);
      if (reply === '0') this.#askAgain(places);
      else if (reply !== '') for (const owner of reply.split(',')) this.wake(owner);
    } catch (error) {
      const reason = unavailable(error);
      this.#failingSince ??= systemClock.now();
      const isFinal = isLockError(reason, 'LOCK_BACKEND_UNAVAILABLE') && !reason.retryable;
      if (isFinal || systemClock.now() - this.#failingSince > PATIENCE_MS) for (const place of places) place.fail(reason);
      throw error;
    }
  }
}

/** Why every wait ends when the backend is closed. */
export function closedError(): LockUnavailableError {
  return new LockUnavailableError('redis: the backend is closed', { backend: 'redis', retryable: false });
}
