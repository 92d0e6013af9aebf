import {
  type Answer,
  type CallContext,
  type Clock,
  type HoldRequest,
  isLockError,
  LockUnavailableError,
  type Stamp,
  type WaitLine,
} from '@holdfast/core';
import { stampOf } from '@holdfast/core/backend';
import { AnnouncedLines } from './announced-lines.js';
import type { HoldCommands, LifeAnswer, QueueName } from './hold-commands.js';
import type { KeySpace } from './key-space.js';
import { LifeSigns, PROVISIONAL_MS } from './life-signs.js';
import { type PushedGrant, QueuePlace } from './queue-place.js';
import { QueuePlaces } from './queue-places.js';
import { failureRules, ForeignKeyError, ofWait, unavailable } from './redis-error.js';
import type { WakeChannel } from './wake-channel.js';

type Granted = Extract<Answer<bigint>, { granted: true }>;

/** How often a manager says that it is alive, for all its waiters of all names at once. The server forgets it after 1,500 ms. */
const ALIVE_EVERY_MS = 1050;
const RETRY_MS = 100;
/** By so much later than a hold runs out it has certainly gone. */
const EXPIRED_MS = 2;
/** Short holds that others renew are no reason to ask more often. */
const LEAST_PAUSE_MS = 20;
/** For so long a waiter keeps its place while the server cannot be reached; then core decides. */
const PATIENCE_MS = 1000;
const COMMAND_MS = 2000;
/** A sign of life that comes later would only prolong what a manager has that has died. */
const SIGN_MS = 1000;
/** With a shorter time to live, guard included, a grant by message would be believed for longer than was asked for. */
const LEAST_TTL_MS = 2200;

const FAILED = 'failed';

/** What one sign of life says of a name. */
interface Spoken extends QueueName {
  /** The first of this manager's places in the queue of the name; null where all stand in this process. */
  readonly first: QueuePlace | null;
}

/** What the queue needs of its backend. */
export interface WaitQueueParts {
  readonly id: string;
  readonly clock: Clock;
  readonly keySpace: KeySpace;
  readonly commands: HoldCommands;
  readonly channel: WakeChannel;
  readonly isCluster: boolean;
  /** Waiters come without having asked. */
  readonly asksFirst: boolean;
  /** Grants are good only when they have been confirmed. */
  readonly confirms: boolean;
  /** Confirms a grant, or undoes it and throws. */
  readonly confirm: (request: HoldRequest, timeoutMs: number) => Promise<void>;
  /** The connection of the commands. */
  readonly connection: () => object | null;
  /** How locks are asked for whose slot is being moved to another node. */
  readonly moving: {
    readonly concerns: (request: HoldRequest) => boolean;
    readonly attempt: (request: HoldRequest, call: CallContext) => Promise<Answer<bigint>>;
  };
}

/** The waiters of this backend in the queues on the server. */
export class WaitQueue {
  /** Whether nobody waits. A field, since every release looks at it. */
  isIdle = true;
  readonly #parts: WaitQueueParts;
  readonly #signs = new LifeSigns();
  readonly #places: QueuePlaces;
  readonly #lines: AnnouncedLines;
  readonly #waits = new Set<Promise<Granted>>();
  #timer: { cancel(): void } | null = null;
  #firesAt = 0;
  #failingSince: number | null = null;
  #isClosed = false;

  constructor(parts: WaitQueueParts) {
    this.#parts = parts;
    const onServer = (key: string): string => parts.keySpace.onServer(key);
    this.#places = new QueuePlaces(onServer);
    this.#lines = new AnnouncedLines(onServer);
  }

  /** From now on signs of life say how many of this manager stand in line for the name, and since when. */
  announce(request: HoldRequest, line: () => WaitLine): { close(): void } {
    const close = this.#lines.open(request, this.#parts.commands.keysOf(request), line);
    this.isIdle = false;
    this.#arm(ALIVE_EVERY_MS);
    return {
      close: () => {
        close();
        this.#restIfIdle();
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

  /** Its owner is being released, so it waits no more. @returns its place on the server; '' if it has none */
  dismiss(owner: string): string {
    const place = this.#places.ofOwner(owner);
    if (place === undefined) return '';
    const { name } = place.request;
    place.end(new LockUnavailableError('redis: the request was released while it waited', { lockName: name, backend: 'redis' }));
    return place.member;
  }

  /** Whether nobody of this manager waits for the name, but for the one owner. */
  isLast(holdKey: string, owner: string): boolean {
    return !this.#lines.has(holdKey) && this.#places.isLast(holdKey, owner);
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
    const { confirms, connection } = this.#parts;
    const mayStart = isOurServer && !confirms && place.request.ttlMs >= LEAST_TTL_MS;
    const stamp = mayStart ? this.#signs.base(Number(seen), connection(), place.call.clock) : null;
    if (stamp === null) place.ask();
    else place.push({ fencingToken: BigInt(fence), stamp });
  }

  /** Messages may have been missed: says at once that it is here, and hears what was granted. */
  refreshNow(): void {
    if (this.isIdle) return;
    this.#timer?.cancel();
    this.#timer = null;
    void this.#refresh();
  }

  /** Ends every wait; resolves when each has left its queue. */
  async close(reason: unknown): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#timer = null;
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
      ({ isFinal } = await commands.release(request, Math.min(call.timeoutMs, COMMAND_MS), { member, isLast }));
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
    this.#heardSign(serverMs, stamp, connection, call.clock);
    if (answer.granted) return { ...answer, stamp };
    if (!wasKnown) askAgain(this.#places.beside(place));
    place.score = score;
    call.onQueued?.();
    // Nobody calls when a hold runs out: whoever looks first hands the lock on.
    this.#arm(pauseMs(answer.remainingMs));
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

  #heardSign(serverMs: number, stamp: Stamp, connection: object | null, clock: Clock): void {
    // A connection that was made in between: which of both has answered is not known.
    if (connection !== null && connection === this.#parts.connection()) this.#signs.answered(serverMs, stamp, connection, clock);
  }

  #leave(place: QueuePlace): void {
    this.#places.leave(place);
    this.#restIfIdle();
  }

  #restIfIdle(): void {
    if (this.#places.isEmpty) this.#failingSince = null;
    this.isIdle = this.#places.isEmpty && this.#lines.isEmpty;
    if (!this.isIdle) return;
    this.#timer?.cancel();
    this.#timer = null;
  }

  #arm(delayMs: number): void {
    const firesAt = this.#parts.clock.now() + delayMs;
    if (this.#isClosed || (this.#timer !== null && this.#firesAt <= firesAt)) return;
    this.#timer?.cancel();
    this.#firesAt = firesAt;
    this.#timer = this.#parts.clock.setTimer(delayMs, () => {
      this.#timer = null;
      void this.#refresh();
    });
  }

  async #refresh(): Promise<void> {
    const all: readonly Spoken[] = [
      ...this.#places.byName.flatMap(([first]) => (first === undefined ? [] : [this.#spokenOf(first)])),
      ...[...this.#lines.all]
        .filter(({ keys }) => !this.#places.has(keys.keys[0]))
        .map((line) => ({ ...line, line: line.line(), first: null })),
    ];
    // One server answers for all names or for none; the nodes of a cluster are asked each for its own.
    const groups = this.#parts.isCluster ? all.map((spoken) => [spoken]) : [all];
    const pauses = await Promise.all(groups.map((group) => this.#refreshNames(group)));
    if (this.isIdle || this.#isClosed) return;
    if (!pauses.includes(FAILED)) this.#failingSince = null;
    this.#arm(Math.min(ALIVE_EVERY_MS, ...pauses.map((pause) => (pause === FAILED ? RETRY_MS : pause))));
  }

  /** @returns when to say so again */
  async #refreshNames(group: readonly Spoken[]): Promise<number | typeof FAILED> {
    if (group.length === 0) return ALIVE_EVERY_MS;
    const firsts = group.flatMap(({ first }) => (first === null ? [] : [first]));
    const stamp = stampOf(firsts[0]?.call.clock ?? this.#parts.clock);
    const connection = this.#parts.connection();
    try {
      const answers = await this.#parts.commands.refresh(group, SIGN_MS);
      return Math.min(
        ...group.map(({ first }, index) =>
          first === null ? ALIVE_EVERY_MS : this.#refreshed(first, answers[index] ?? null, stamp, connection),
        ),
      );
    } catch (error) {
      // Nobody waits by a line: it is for people who look.
      if (firsts.length === 0) return ALIVE_EVERY_MS;
      if (firsts.every(({ request }) => this.#parts.moving.concerns(request))) {
        for (const first of firsts) askAgain(this.#places.beside(first));
        return ALIVE_EVERY_MS;
      }
      const reason = unavailable(error);
      this.#failingSince ??= this.#parts.clock.now();
      const isFinal = isLockError(reason, 'LOCK_BACKEND_UNAVAILABLE') && !reason.retryable;
      const isOver = isFinal || this.#parts.clock.now() - this.#failingSince > PATIENCE_MS;
      if (isOver) for (const place of firsts.flatMap((first) => [...this.#places.beside(first)])) place.end(reason);
      return FAILED;
    }
  }

  #spokenOf(first: QueuePlace): Spoken {
    const { request, mode, keys } = first;
    return { name: request.name, mode, keys, line: this.#lines.of(keys.keys[0]), first };
  }

  #refreshed(first: QueuePlace, answer: LifeAnswer | null | ForeignKeyError, stamp: Stamp, connection: object | null): number {
    // Those that have come since have said so themselves.
    const places = this.#places.beside(first);
    if (answer instanceof ForeignKeyError) {
      for (const place of places) place.end(answer);
      return ALIVE_EVERY_MS;
    }
    for (const { call, score } of places) if (score !== '') call.onQueued?.();
    if (answer === null) {
      askAgain(places);
      return ALIVE_EVERY_MS;
    }
    this.#heardSign(answer.serverMs, stamp, connection, first.call.clock);
    this.#claim(answer);
    return pauseMs(answer.remainingMs);
  }

  /** What was granted, and no message has told: asked for. */
  #claim({ granted }: LifeAnswer): void {
    for (const owner of granted) this.#places.ofOwner(owner)?.ask();
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

/** Until what stands has ended, if that comes first. */
function pauseMs(remainingMs: number | null): number {
  return remainingMs === null ? ALIVE_EVERY_MS : Math.min(ALIVE_EVERY_MS, Math.max(LEAST_PAUSE_MS, remainingMs + EXPIRED_MS));
}

/** Our places were dropped, because we were thought dead. Those that have just come are on their way. */
function askAgain(places: Iterable<QueuePlace>): void {
  for (const place of places) if (place.score !== '') place.ask();
}

/** Why every wait ends when the backend is closed. */
export function closedError(): LockUnavailableError {
  return new LockUnavailableError('redis: the backend is closed', { backend: 'redis', retryable: false });
}
