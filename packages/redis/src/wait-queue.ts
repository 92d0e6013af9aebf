import {
  type Answer,
  type CallContext,
  type HoldRef,
  type HoldRequest,
  LockUnavailableError,
  type Stamp,
  type WaitLine,
} from '@holdfast/core';
import { stampOf } from '@holdfast/core/backend';
import { AnnouncedLines } from './announced-lines.js';
import type { LeftPlace } from './hand-over.js';
import type { HoldCommands, Waiters } from './hold-commands.js';
import type { KeySpace } from './key-space.js';
import { LifeRounds, type LifeRoundsParts, SIGN_MS, takeAgain } from './life-rounds.js';
import { PROVISIONAL_MS } from './life-signs.js';
import { type PushedGrant, QueuePlace } from './queue-place.js';
import { QueuePlaces } from './queue-places.js';
import { failureRules, ofWait } from './redis-error.js';
import type { WakeChannel } from './wake-channel.js';

type Granted = Extract<Answer<bigint>, { granted: true }>;

const RETRY_MS = 100;
const COMMAND_MS = 2000;
/** With a shorter time to live, guard included, a grant by message would be believed for longer than was asked for. */
const LEAST_TTL_MS = 2200;

/** What the queue needs of its backend. */
export interface WaitQueueParts extends LifeRoundsParts {
  readonly id: string;
  readonly keySpace: KeySpace;
  readonly commands: HoldCommands;
  readonly channel: WakeChannel;
  /** Waiters come without having asked. */
  readonly asksFirst: boolean;
  /** Grants are good only when they have been confirmed. */
  readonly confirms: boolean;
  /** Confirms a grant, or undoes it and throws. */
  readonly confirm: (request: HoldRequest, timeoutMs: number) => Promise<void>;
  /** How locks are asked for whose slot is being moved to another node. */
  readonly moving: LifeRoundsParts['moving'] & {
    readonly attempt: (request: HoldRequest, call: CallContext) => Promise<Answer<bigint>>;
  };
}

/** The waiters of this backend in the queues on the server. */
export class WaitQueue implements Waiters {
  /** Whether nobody waits. A field, since every release looks at it. */
  isIdle = true;
  readonly #parts: WaitQueueParts;
  readonly #rounds: LifeRounds;
  readonly #places: QueuePlaces;
  readonly #lines: AnnouncedLines;
  readonly #waits = new Set<Promise<Granted>>();
  #isClosed = false;

  constructor(parts: WaitQueueParts) {
    this.#parts = parts;
    const onServer = (key: string): string => parts.keySpace.onServer(key);
    this.#places = new QueuePlaces(onServer);
    this.#lines = new AnnouncedLines(onServer);
    this.#rounds = new LifeRounds(parts, this.#places, this.#lines);
  }

  /** From now on signs of life say how many of this manager stand in line for the name, and since when. */
  announce(request: HoldRequest, line: () => WaitLine): { close(): void } {
    const close = this.#lines.open(request, this.#parts.commands.keysOf(request), line);
    this.isIdle = false;
    this.#rounds.begin(null);
    return {
      close: () => {
        close();
        this.#rest();
      },
    };
  }

  wait(request: HoldRequest, call: CallContext): Promise<Granted> {
    const wait = this.#wait(request, call);
    this.#waits.add(wait);
    const ended = (): void => void this.#waits.delete(wait);
    wait.then(ended, ended);
    return wait;
  }

  leftBy(hold: HoldRef): LeftPlace {
    const { name, owner } = hold;
    const [holdKey] = this.#parts.commands.keysOf(hold).keys;
    const isLast = !this.#lines.has(holdKey) && this.#places.isLast(holdKey, owner);
    const place = this.#places.ofOwner(owner);
    place?.end(new LockUnavailableError('redis: the request was released while it waited', { lockName: name, backend: 'redis' }));
    return { member: place?.member ?? '', isLast };
  }

  /**
   * A message `ticket|fencing token|time`: this waiter was granted for a while, which counts from the sign of life that the server carried out at
   * that time. What is of another version or garbled is ignored, and so is what is not known here: its owner is being released.
   *
   * @param isOurServer whether it comes from the server that answers our signs of life
   */
  hear(text: string, isOurServer: boolean): void {
    const [, ticket = '', fence = '', seen] = /^([0-9a-f]{16})\|(\d{1,16})\|(\d{1,15})$/.exec(text) ?? [];
    const place = this.#places.ofTicket(ticket);
    if (place === undefined) return;
    const mayStart = isOurServer && !this.#parts.confirms && place.request.ttlMs >= LEAST_TTL_MS;
    const stamp = mayStart ? this.#rounds.stampOf(Number(seen), place.call.clock) : null;
    if (stamp === null) place.ask();
    else place.push({ fencingToken: BigInt(fence), stamp });
  }

  /** Messages may have been missed: says at once that it is here, and hears what was granted. */
  refreshNow(): void {
    if (!this.isIdle) this.#rounds.speakNow();
  }

  /** Ends every wait; resolves when each has left its queue. */
  async close(reason: unknown): Promise<void> {
    this.#isClosed = true;
    this.#rounds.close();
    for (const place of this.#places.all) place.end(reason);
    await Promise.allSettled(this.#waits);
  }

  async #wait(request: HoldRequest, call: CallContext): Promise<Granted> {
    const { commands, channel, id, keySpace, isCluster, asksFirst } = this.#parts;
    call.signal.throwIfAborted();
    const place = new QueuePlace(request, commands.keysOf(request), id, call);
    const onAbort = (): void => place.end(call.signal.reason);
    call.signal.addEventListener('abort', onAbort);
    this.#places.enter(place);
    this.isIdle = false;
    let granted: Granted | null = null;
    try {
      // Where nobody waits nobody has to listen: the channel is opened for the first who is refused.
      const tag = keySpace.wakeTagOf(place.keys, isCluster);
      if (asksFirst && !channel.isOpen(tag)) granted = await this.#askOnce(place);
      granted ??= await channel.during(tag, () => this.#untilGranted(place), Math.min(call.timeoutMs, COMMAND_MS));
      return granted;
    } catch (error) {
      throw ofWait(error, request.name, place.isSent);
    } finally {
      call.signal.removeEventListener('abort', onAbort);
      this.#leave(place);
      // A server that refuses connections is not asked again for what never left.
      if (granted === null && place.isSent) await this.#undo(place, RETRY_MS, this.#parts.clock.now() + request.ttlMs);
    }
  }

  /**
   * Leaves nothing behind, not even a grant whose answer was lost: goes on in the background until nothing of this owner's can take
   * effect any more.
   */
  async #undo(place: QueuePlace, retryMs: number, until: number): Promise<void> {
    const { request, call, member } = place;
    const { clock, commands } = this.#parts;
    const isLast = this.#places.beside(place).size === 0 && !this.#lines.has(place.keys.keys[0]);
    let isFinal = false;
    try {
      ({ isFinal } = await commands.freeOne(request, Math.min(call.timeoutMs, COMMAND_MS), { member, isLast }));
    } catch {
      // After its ttl the server has forgotten it by itself.
      isFinal = clock.now() > until;
    }
    if (isFinal || this.#isClosed) return;
    clock.setTimer(retryMs, () => void this.#undo(place, Math.min(retryMs * 2, COMMAND_MS), until));
  }

  async #askOnce(place: QueuePlace): Promise<Granted | null> {
    const { request, call } = place;
    const stamp = stampOf(call.clock);
    const { moving, commands } = this.#parts;
    const answer = await sending(
      place,
      moving.concerns(request) ? moving.attempt(request, call) : commands.acquireAll([request], call).then(([only]) => only),
    );
    if (answer?.granted === true) return this.#confirmed(place, answer.fencingToken, stamp);
    call.onQueued?.();
    return null;
  }

  async #confirmed(place: QueuePlace, fencingToken: bigint, stamp: Stamp): Promise<Granted> {
    place.throwIfEnded();
    await this.#parts.confirm(place.request, place.call.timeoutMs);
    return { granted: true, fencingToken, stamp };
  }

  async #untilGranted(place: QueuePlace): Promise<Granted> {
    const { request, call } = place;
    for (;;) {
      const pushed = await place.turn();
      if (pushed !== null) return started(pushed);
      const stamp = stampOf(call.clock);
      const asked = this.#parts.moving.concerns(request) ? this.#askMoving(place) : this.#enqueue(place, stamp);
      const answer = await place.unlessPushed(asked);
      if (answer === null) continue;
      if (!('granted' in answer)) return started(answer);
      return this.#confirmed(place, answer.fencingToken, stamp);
    }
  }

  /** Takes a place, or what was granted to it. @returns null while it waits */
  async #enqueue(place: QueuePlace, stamp: Stamp): Promise<Granted | null> {
    const { request, call, member } = place;
    const connection = this.#parts.connection();
    const isOnly = this.#places.beside(place).size === 1 && !this.#lines.has(place.keys.keys[0]);
    const timeoutMs = Math.min(call.timeoutMs, SIGN_MS);
    const enqueued = sending(place, this.#parts.commands.enqueue(request, member, place.score, isOnly, timeoutMs, call));
    const reply = await enqueued.catch((error: unknown) => {
      // Refused because the slot moves: the next round asks as that wants it.
      if (this.#parts.moving.concerns(request)) return null;
      throw error;
    });
    if (reply === null) {
      this.#askLater(place);
      return null;
    }
    const { answer, score, wasKnown, serverMs } = reply;
    this.#rounds.answered(serverMs, stamp, connection, call.clock);
    if (answer.granted) return { ...answer, stamp };
    if (!wasKnown) takeAgain(this.#places.beside(place));
    place.score = score;
    call.onQueued?.();
    // Nobody calls when a hold runs out: the first who looks hands the lock on.
    this.#rounds.begin(answer.remainingMs);
    return null;
  }

  async #askMoving(place: QueuePlace): Promise<Granted | null> {
    const answer = await sending(place, this.#parts.moving.attempt(place.request, place.call));
    if (answer.granted) return answer;
    place.call.onQueued?.();
    this.#askLater(place);
    return null;
  }

  #askLater(place: QueuePlace): void {
    this.#parts.clock.setTimer(RETRY_MS, () => place.ask());
  }

  #leave(place: QueuePlace): void {
    this.#places.leave(place);
    this.#rest();
  }

  #rest(): void {
    this.isIdle = this.#places.isEmpty && this.#lines.isEmpty;
    this.#rounds.rest();
  }
}

/** Notes that something of the place has left, unless the request certainly has not. */
async function sending<T>(place: QueuePlace, request: Promise<T>): Promise<T> {
  try {
    const answer = await request;
    place.isSent = true;
    return answer;
  } catch (error) {
    if (failureRules.wasSent(error as Error)) place.isSent = true;
    throw error;
  }
}

function started({ fencingToken, stamp }: PushedGrant): Granted {
  return { granted: true, fencingToken, stamp, forMs: PROVISIONAL_MS };
}
