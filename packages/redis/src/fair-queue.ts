import { type Answer, type CallContext, type Clock, type HoldRequest, isLockError, LockUnavailableError, type Stamp } from '@holdfast/core';
import { stampOf } from '@holdfast/core/backend';
import type { HoldCommands } from './hold-commands.js';
import type { KeySpace } from './key-space.js';
import { QueuePlace } from './queue-place.js';
import { unavailable } from './redis-error.js';
import type { WakeChannel } from './wake-channel.js';

type Granted = Extract<Answer<bigint>, { granted: true }>;

/** How often a manager says that it is alive, for all its waiters of a name at once. The server forgets it after 1,600 ms. */
const REFRESH_MS = 700;
const RETRY_MS = 100;
/** By so much later than a hold runs out it has certainly gone. */
const EXPIRED_MS = 2;
/** For so long a waiter keeps its place while the server cannot be reached; then core decides. */
const PATIENCE_MS = 1000;
const COMMAND_MS = 2000;

/** What the queue needs of its backend. */
export interface FairQueueParts {
  readonly id: string;
  readonly clock: Clock;
  readonly keySpace: KeySpace;
  readonly commands: HoldCommands;
  readonly channel: WakeChannel;
  readonly isCluster: boolean;
  /** Confirms a grant, or undoes it and throws. */
  readonly confirm: (request: HoldRequest, timeoutMs: number) => Promise<void>;
}

/** The waiters of this backend in the queues on the server. */
export class FairQueue {
  readonly #parts: FairQueueParts;
  readonly #byOwner = new Map<string, QueuePlace>();
  /** By the hold's key on the server, as messages name it. */
  readonly #byHold = new Map<string, Set<QueuePlace>>();
  readonly #waits = new Set<Promise<Granted>>();
  #timer: { cancel(): void } | null = null;
  #firesAt = 0;
  #failingSince: number | null = null;
  #isClosed = false;

  constructor(parts: FairQueueParts) {
    this.#parts = parts;
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
    const place = this.#byOwner.get(owner);
    if (place === undefined) return '';
    const { name } = place.request;
    place.end(new LockUnavailableError('redis: the request was released while it waited', { lockName: name, backend: 'redis' }));
    return place.member;
  }

  /** A place was reserved for this owner. @returns false when it does not wait here (any more) */
  wake(owner: string): boolean {
    const place = this.#byOwner.get(owner);
    place?.ask();
    return place !== undefined;
  }

  /** Gives back what was reserved for an owner that does not wait here any more. */
  decline(holdKey: string, owner: string): void {
    const known = this.#parts.keySpace.parse(holdKey);
    if (known === null) return;
    const modes = { lock: ['exclusive'], semaphore: ['permits'], 'read-write': ['write', 'read'] } as const;
    for (const mode of modes[known.kind]) {
      this.#parts.commands.decline({ name: known.name, owner, mode }, COMMAND_MS).catch(() => {});
    }
  }

  /** Messages may have been missed: says at once that it is here, and hears what is reserved. */
  refreshNow(): void {
    if (this.#byHold.size === 0) return;
    this.#timer?.cancel();
    this.#timer = null;
    void this.#refresh();
  }

  /** Ends every wait; resolves when each has left its queue. */
  async close(reason: unknown): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#timer = null;
    for (const place of this.#byOwner.values()) place.end(reason);
    await Promise.allSettled(this.#waits);
  }

  async #wait(request: HoldRequest, call: CallContext): Promise<Granted> {
    const { commands, channel, id, keySpace, isCluster } = this.#parts;
    call.signal.throwIfAborted();
    const place = new QueuePlace(request, commands.keysOf(request), id, call);
    const onAbort = (): void => place.end(call.signal.reason);
    call.signal.addEventListener('abort', onAbort);
    this.#enter(place);
    let granted: Granted | null = null;
    try {
      // Where nobody waits nobody has to listen: the channel is opened for the first who is refused.
      const tag = keySpace.wakeTagOf(place.keys, isCluster);
      if (!channel.isOpen(tag)) granted = await this.#askOnce(place);
      granted ??= await channel.during(tag, () => this.#untilGranted(place), Math.min(call.timeoutMs, COMMAND_MS));
      return granted;
    } finally {
      call.signal.removeEventListener('abort', onAbort);
      this.#leave(place);
      if (granted === null) await this.#undo(place, RETRY_MS, this.#parts.clock.now() + request.ttlMs);
    }
  }

  /**
   * Leaves nothing behind, not even a grant whose answer was lost: goes on in the background until nothing of this owner's can take
   * effect any more.
   */
  async #undo(place: QueuePlace, retryMs: number, until: number): Promise<void> {
    const { request, call, member } = place;
    const { clock, commands } = this.#parts;
    const isLast = this.#placesBeside(place) === undefined;
    let isFinal = false;
    try {
      ({ isFinal } = await commands.release(request, Math.min(call.timeoutMs, COMMAND_MS), member, isLast));
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
    const [answer] = await this.#parts.commands.acquireAll([request], call);
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
    const { request, call, member } = place;
    for (;;) {
      await place.turn();
      const stamp = stampOf(call.clock);
      const isOnly = this.#placesBeside(place)?.size === 1;
      const timeoutMs = Math.min(call.timeoutMs, COMMAND_MS);
      const { answer, score, wasKnown } = await this.#parts.commands.enqueue(request, member, place.score, isOnly, timeoutMs, call);
      if (answer.granted) return this.#confirmed(place, answer.fencingToken, stamp);
      if (!wasKnown) askAgain(this.#placesBeside(place) ?? []);
      place.score = score;
      call.onQueued?.();
      // Nobody calls when a hold runs out: whoever looks first hands the lock on.
      this.#arm(Math.min(REFRESH_MS, (answer.remainingMs ?? REFRESH_MS) + EXPIRED_MS));
    }
  }

  /** All places of its name, its own included. */
  #placesBeside(place: QueuePlace): Set<QueuePlace> | undefined {
    return this.#byHold.get(this.#parts.keySpace.onServer(place.keys.keys[0]));
  }

  #enter(place: QueuePlace): void {
    this.#byOwner.set(place.request.owner, place);
    const others = this.#placesBeside(place);
    if (others === undefined) this.#byHold.set(this.#parts.keySpace.onServer(place.keys.keys[0]), new Set([place]));
    else others.add(place);
  }

  #leave(place: QueuePlace): void {
    this.#byOwner.delete(place.request.owner);
    const others = this.#placesBeside(place);
    others?.delete(place);
    if (others?.size === 0) this.#byHold.delete(this.#parts.keySpace.onServer(place.keys.keys[0]));
    if (this.#byHold.size > 0) return;
    this.#timer?.cancel();
    this.#timer = null;
    this.#failingSince = null;
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
    const outcomes = await Promise.allSettled([...this.#byHold.values()].map((places) => this.#refreshName(places)));
    if (this.#byHold.size === 0 || this.#isClosed) return;
    const hasFailed = outcomes.some(({ status }) => status === 'rejected');
    if (!hasFailed) this.#failingSince = null;
    this.#arm(hasFailed ? RETRY_MS : REFRESH_MS);
  }

  async #refreshName(places: ReadonlySet<QueuePlace>): Promise<void> {
    const [first] = places;
    if (first === undefined) return;
    try {
      const reserved = await this.#parts.commands.refresh(first.request.name, first.mode, first.keys, COMMAND_MS);
      if (reserved === null) askAgain(places);
      else for (const owner of reserved) this.wake(owner);
    } catch (error) {
      const reason = unavailable(error);
      this.#failingSince ??= this.#parts.clock.now();
      const isFinal = isLockError(reason, 'LOCK_BACKEND_UNAVAILABLE') && !reason.retryable;
      if (isFinal || this.#parts.clock.now() - this.#failingSince > PATIENCE_MS) for (const place of places) place.end(reason);
      throw error;
    }
  }
}

/** Our places were dropped, because we were thought dead. Those that have just come are on their way. */
function askAgain(places: Iterable<QueuePlace>): void {
  for (const place of places) if (place.score !== '') place.ask();
}

/** Why every wait ends when the backend is closed. */
export function closedError(): LockUnavailableError {
  return new LockUnavailableError('redis: the backend is closed', { backend: 'redis', retryable: false });
}
