import { type Clock, type HoldRequest, isLockError, type Stamp } from '@holdfast/core';
import { stampOf } from '@holdfast/core/backend';
import type { AnnouncedLines } from './announced-lines.js';
import type { HoldCommands, LifeAnswer, QueueName } from './hold-commands.js';
import { LifeSigns } from './life-signs.js';
import type { QueuePlace } from './queue-place.js';
import type { QueuePlaces } from './queue-places.js';
import { ForeignKeyError, unavailable } from './redis-error.js';

/** How often a manager says that it is alive, for all its waiters of all names at once. The server forgets the manager after 1,500 ms. */
const ALIVE_EVERY_MS = 1050;
/** What is new of those who wait is said after so long, though the sign is not due yet. */
const NEWS_AFTER_MS = 900;
/** A sign of life that comes later would only prolong what a manager has that has died. */
export const SIGN_MS = 1000;
const RETRY_MS = 100;
/** By so much later than a hold runs out the hold has certainly gone. */
const EXPIRED_MS = 2;
/** Short holds that others renew are no reason to ask more often. */
const LEAST_PAUSE_MS = 20;
/** For so long a waiter keeps its place while the server cannot be reached; then core decides. */
const PATIENCE_MS = 1000;

const FAILED = 'failed';

/** What signs of life need of the backend. */
export interface LifeRoundsParts {
  readonly clock: Clock;
  readonly commands: Pick<HoldCommands, 'refresh'>;
  readonly isCluster: boolean;
  /** The connection of the commands. */
  readonly connection: () => object | null;
  /** Locks whose slot is being moved to another node. */
  readonly moving: { readonly concerns: (request: HoldRequest) => boolean };
}

/** What one sign of life says of a name. */
interface Spoken extends QueueName {
  /** The first of this manager's places in the queue of the name; null where all stand in this process. */
  readonly first: QueuePlace | null;
}

/**
 * The signs of life of one manager, for as long as anybody waits: each says of every name that the manager is alive, and hears what its waiters
 * were granted without a message, which places were dropped, and when what stands will have ended.
 */
export class LifeRounds {
  readonly #parts: LifeRoundsParts;
  readonly #places: QueuePlaces;
  readonly #lines: AnnouncedLines;
  readonly #signs = new LifeSigns();
  #timer: { cancel(): void } | null = null;
  #firesAt = 0;
  #failingSince: number | null = null;
  #isClosed = false;

  constructor(parts: LifeRoundsParts, places: QueuePlaces, lines: AnnouncedLines) {
    this.#parts = parts;
    this.#places = places;
    this.#lines = lines;
  }

  /** Somebody waits, behind what ends by itself in `remainingMs`; null: nobody can tell. */
  begin(remainingMs: number | null): void {
    this.#arm(pauseMs(remainingMs));
  }

  /** Somebody has ceased to wait. */
  rest(): void {
    if (this.#places.isEmpty) this.#failingSince = null;
    if (this.#isNobodyLeft) this.#disarm();
  }

  /** Does not wait for the next sign to be due. */
  speakNow(): void {
    this.#disarm();
    void this.#speak();
  }

  close(): void {
    this.#isClosed = true;
    this.#disarm();
  }

  /** The server has answered a sign of life, at `serverMs` by its clock. @param connection what the sign was sent on */
  answered(serverMs: number, stamp: Stamp, connection: object | null, clock: Clock): void {
    // A connection that was made in between: which of both has answered is not known.
    if (connection !== null && connection === this.#parts.connection()) this.#signs.answered(serverMs, stamp, connection, clock);
  }

  /** When the sign was sent that a message names; see `LifeSigns.base`. */
  stampOf(serverMs: number, clock: Clock): Stamp | null {
    return this.#signs.base(serverMs, this.#parts.connection(), clock);
  }

  get #isNobodyLeft(): boolean {
    return this.#places.isEmpty && this.#lines.isEmpty;
  }

  #arm(delayMs: number): void {
    const firesAt = this.#parts.clock.now() + delayMs;
    if (this.#isClosed || (this.#timer !== null && this.#firesAt <= firesAt)) return;
    this.#timer?.cancel();
    this.#firesAt = firesAt;
    this.#wakeIn(Math.min(delayMs, NEWS_AFTER_MS));
  }

  #wakeIn(delayMs: number): void {
    this.#timer = this.#parts.clock.setTimer(delayMs, () => {
      const leftMs = this.#firesAt - this.#parts.clock.now();
      if (leftMs > 0 && !this.#lines.haveNews(this.#parts.clock.now())) return this.#wakeIn(leftMs);
      this.#timer = null;
      void this.#speak();
    });
  }

  #disarm(): void {
    this.#timer?.cancel();
    this.#timer = null;
  }

  async #speak(): Promise<void> {
    this.#lines.said(this.#parts.clock.now());
    const all: readonly Spoken[] = [
      ...this.#places.byName.flatMap(([first]) => (first === undefined ? [] : [this.#spokenOf(first)])),
      ...[...this.#lines.all]
        .filter(({ keys }) => !this.#places.has(keys.keys[0]))
        .map((line) => ({ ...line, line: line.line(), first: null })),
    ];
    // One server answers for all names or for none; the nodes of a cluster are asked each for its own.
    const groups = this.#parts.isCluster ? all.map((spoken) => [spoken]) : [all];
    const pauses = await Promise.all(groups.map((group) => this.#speakOf(group)));
    if (this.#isNobodyLeft || this.#isClosed) return;
    if (!pauses.includes(FAILED)) this.#failingSince = null;
    this.#arm(Math.min(ALIVE_EVERY_MS, ...pauses.map((pause) => (pause === FAILED ? RETRY_MS : pause))));
  }

  #spokenOf(first: QueuePlace): Spoken {
    const { request, mode, keys } = first;
    return { name: request.name, mode, keys, line: this.#lines.of(keys.keys[0]), first };
  }

  /** @returns when the next sign is due */
  async #speakOf(group: readonly Spoken[]): Promise<number | typeof FAILED> {
    if (group.length === 0) return ALIVE_EVERY_MS;
    const firsts = group.flatMap(({ first }) => (first === null ? [] : [first]));
    const stamp = stampOf(firsts[0]?.call.clock ?? this.#parts.clock);
    const connection = this.#parts.connection();
    // Nobody waits by a line: it is for people who look, and no reason to connect.
    if (firsts.length === 0 && connection === null && !this.#parts.isCluster) return ALIVE_EVERY_MS;
    try {
      const answers = await this.#parts.commands.refresh(group, SIGN_MS);
      return Math.min(
        ...group.map(({ first }, index) =>
          first === null ? ALIVE_EVERY_MS : this.#heard(first, answers[index] ?? null, stamp, connection),
        ),
      );
    } catch (error) {
      return firsts.length === 0 ? ALIVE_EVERY_MS : this.#failed(firsts, error);
    }
  }

  #failed(firsts: readonly QueuePlace[], error: unknown): number | typeof FAILED {
    if (firsts.every(({ request }) => this.#parts.moving.concerns(request))) {
      for (const first of firsts) takeAgain(this.#places.beside(first));
      return ALIVE_EVERY_MS;
    }
    const reason = unavailable(error);
    this.#failingSince ??= this.#parts.clock.now();
    const isPermanent = isLockError(reason, 'LOCK_BACKEND_UNAVAILABLE') && !reason.retryable;
    const isOver = isPermanent || this.#parts.clock.now() - this.#failingSince > PATIENCE_MS;
    if (isOver) for (const place of firsts.flatMap((first) => [...this.#places.beside(first)])) place.end(reason);
    return FAILED;
  }

  #heard(first: QueuePlace, answer: LifeAnswer | null | ForeignKeyError, stamp: Stamp, connection: object | null): number {
    // Those that have come since have said so themselves.
    const places = this.#places.beside(first);
    if (answer instanceof ForeignKeyError) {
      for (const place of places) place.end(answer);
      return ALIVE_EVERY_MS;
    }
    for (const { call, score } of places) if (score !== '') call.onQueued?.();
    if (answer === null) {
      takeAgain(places);
      return ALIVE_EVERY_MS;
    }
    this.answered(answer.serverMs, stamp, connection, first.call.clock);
    // What was granted, and no message has reported, is asked for.
    for (const owner of answer.granted) this.#places.ofOwner(owner)?.ask();
    return pauseMs(answer.remainingMs);
  }
}

/** Until what stands has ended, if that comes before the next sign of life. */
function pauseMs(remainingMs: number | null): number {
  return remainingMs === null ? ALIVE_EVERY_MS : Math.min(ALIVE_EVERY_MS, Math.max(LEAST_PAUSE_MS, remainingMs + EXPIRED_MS));
}

/** The server has dropped the places, since it took the manager for dead. Places that have just come are on their way. */
export function takeAgain(places: Iterable<QueuePlace>): void {
  for (const place of places) if (place.score !== '') place.ask();
}
