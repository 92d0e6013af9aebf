import { nextTick } from 'node:process';
import { ConnectionFault } from './connection-fault.js';
import type { Contact, Step } from './connection.js';
import type { Flight, Queued } from './flight.js';
import { GrantLedger } from './grant-ledger.js';
import { group, join } from './group.js';
import type { Piece, Read, Receiver } from './piece.js';
import { ReplyList } from './reply-list.js';
import type { SenderParts } from './sender-parts.js';
import { limitsOf, notAfterFrom } from './server-clock.js';
import { SilenceWatch } from './silence-watch.js';

/**
 * So many requests are a command: the server works on it while the rest is put together. Requests of many callers are answered, and so come again, in
 * waves; in commands as large as the wave, client and server would wait for each other in turns.
 */
const FULL_QUEUE = 32;
/** Of one caller's: a larger command costs the server less for each. */
const FULL_BATCH = 128;
/** A far server takes several round trips to make a connection: the time of a request is no reason to give it up for all others. */
const MIN_OPENING_MS = 1000;

/**
 * Sends requests. Those of one tick that go to the same step share a command (per route where the store asks for that); their
 * order is kept, so that a release is carried out behind the request that it undoes.
 *
 * A promise settles when its request was answered, or its connection ended, or it was never sent.
 */
export class BatchSender<S extends Step> {
  readonly #grants = new GrantLedger();
  readonly #parts: SenderParts<S>;
  /** In no order: each knows its place. */
  readonly #inFlight: Flight<S>[] = [];
  readonly #watch: SilenceWatch<S>;
  #queue: Queued<S>[] = [];
  #isScheduled = false;
  #byRoute: boolean;
  #isClosed = false;
  /** What was sent on last: as good as the link's while it is open. */
  #contact: Contact<S> | null = null;
  /** Nearly all requests have the same time. */
  #limits = limitsOf(0);
  #whenIdle: (() => void) | null = null;

  constructor(parts: SenderParts<S>) {
    this.#parts = parts;
    this.#byRoute = parts.byRoute;
    this.#watch = new SilenceWatch(parts.clock, this.#inFlight, parts.refuseAfterMs ?? Number.POSITIVE_INFINITY);
  }

  /** Sends one request; resolves with what `read` makes of the reply. */
  send<T>(piece: Piece<S>, read: Read<S, T>): Promise<T> {
    return new Promise<T>((take, fail) => this.#enter(piece, read, { take, fail }, 0, true));
  }

  /** Many at once: settles when all were answered, with the failure that matters most when any failed. */
  sendAll<T>(pieces: readonly Piece<S>[], read: Read<S, T>): Promise<readonly T[]> {
    const [only] = pieces;
    if (only !== undefined && pieces.length === 1)
      return this.send(only, (reply, piece, isFinal, isOnly) => [read(reply, piece, isFinal, isOnly)]);
    const receiver = new ReplyList<T>(pieces.length, this.#parts.failures);
    for (const [index, piece] of pieces.entries()) this.#enter(piece, read, receiver, index, false);
    return receiver.all;
  }

  /** Resolves when everything sent was answered, or after `timeoutMs`. */
  async drain(timeoutMs: number): Promise<void> {
    if (this.#queue.length === 0 && this.#inFlight.length === 0) return;
    await new Promise<void>((resolve) => {
      const timer = this.#parts.clock.setTimer(timeoutMs, resolve);
      this.#whenIdle = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  /** Refuses what comes from now on; what is on its way is still answered. */
  close(): void {
    this.#isClosed = true;
    this.#watch.close();
  }

  #enter<T>(piece: Piece<S>, read: Read<S, T>, receiver: Receiver<T>, index: number, isAlone: boolean): void {
    const { link, clock } = this.#parts;
    const queued: Queued<S> = { piece, read, receiver, index, dueAt: Number.POSITIVE_INFINITY, open: undefined, isSettled: false };
    if (this.#isClosed || this.#watch.isSilent) {
      this.#refuseUnsent(queued, new ConnectionFault(this.#isClosed ? 'closed' : 'silent'));
      return;
    }
    if (this.#contact?.connection.isOpen !== true) this.#contact = link.current;
    const contact = this.#contact;
    if (contact === null) queued.dueAt = clock.now() + piece.timeoutMs;
    // Nothing to share a command with, so nothing to wait for.
    if (isAlone && contact !== null && this.#inFlight.length === 0 && !this.#isScheduled) {
      this.#transmit(contact, [this.#newFlight(queued)]);
      return;
    }
    this.#queue.push(queued);
    if (!this.#isScheduled) {
      this.#isScheduled = true;
      // After all promise callbacks of this turn: replies that came in one packet lead to requests that leave in one.
      nextTick(this.#flush);
    } else if (this.#queue.length >= (isAlone ? FULL_QUEUE : FULL_BATCH) && contact !== null) {
      this.#dispatch(contact, this.#queue.splice(0));
    }
  }

  readonly #flush = (): void => {
    const { link } = this.#parts;
    if (link.current !== null) {
      this.#isScheduled = false;
      this.#dispatch(link.current, this.#queue.splice(0));
      return;
    }
    // Whatever is sent until the connection stands goes with it.
    let timeoutMs = MIN_OPENING_MS;
    for (const { piece } of this.#queue) timeoutMs = Math.max(timeoutMs, piece.timeoutMs);
    link.open(timeoutMs).then(
      (contact) => {
        this.#isScheduled = false;
        const now = this.#parts.clock.now();
        this.#dispatch(
          contact,
          this.#queue.splice(0).filter((queued) => this.#isWanted(queued, now)),
        );
        this.#settleIdle();
      },
      (error: unknown) => {
        this.#isScheduled = false;
        for (const queued of this.#queue.splice(0)) this.#refuseUnsent(queued, error);
        this.#settleIdle();
      },
    );
  };

  /** A request whose caller has gone, or whose time is over, while it waited for a connection is not sent at all. */
  #isWanted(queued: Queued<S>, now: number): boolean {
    const { call } = queued.piece;
    if (call === null ? queued.dueAt > now : !call.signal.aborted) return true;
    this.#refuseUnsent(queued, new ConnectionFault('closed'));
    return false;
  }

  #dispatch(contact: Contact<S>, queue: readonly Queued<S>[]): void {
    const [first] = queue;
    if (first === undefined) return;
    this.#transmit(contact, queue.length === 1 ? [this.#newFlight(first)] : group(queue, this.#parts, this.#byRoute, this.#newFlight));
  }

  readonly #newFlight = (queued: Queued<S>, before: Flight<S> | null = null, isAgain = false): Flight<S> => {
    const { head, leastSilenceMs } = this.#parts;
    const { step, route, timeoutMs, keys, args } = queued.piece;
    return {
      step,
      route,
      keys: [...head.keys, ...keys],
      args: step.expires ? [head.argument, '', '', ...args] : [head.argument, ...args],
      requests: [queued],
      timeoutMs,
      patienceMs: Math.max(timeoutMs, leastSilenceMs),
      contact: null,
      clock: null,
      sentAt: 0,
      isAgain,
      wasCopied: before !== null && (before.wasCopied || before.contact?.connection.isOpen !== true),
      isGivenUp: false,
      place: -1,
    };
  };

  /** @param given `notAfter`, where it is not by the server's clock as it is known here */
  #transmit(contact: Contact<S>, flights: readonly Flight<S>[], now = this.#parts.clock.now(), given: number | null = null): void {
    const { soleClock } = contact;
    const way = soleClock === null ? null : contact;
    for (const flight of flights) {
      const { step, timeoutMs } = flight;
      const clock = soleClock ?? contact.clockOf(flight.route);
      flight.contact = contact;
      flight.clock = clock;
      flight.sentAt = now;
      if (step.expires || step.grants) {
        if (this.#limits.timeoutMs !== timeoutMs) this.#limits = limitsOf(timeoutMs);
        const notAfter = given ?? clock.notAfter(now, timeoutMs);
        if (step.expires) {
          flight.args[1] = String(notAfter);
          flight.args[2] = this.#limits.window;
        }
        if (step.grants)
          for (const { piece } of flight.requests) this.#grants.sent(piece.owner, notAfter, way, now, now + this.#limits.forgetMs);
      }
      if (step.frees) for (const queued of flight.requests) queued.open = this.#grants.releasing(queued.piece.freed ?? queued.piece.owner);
      flight.place = this.#inFlight.push(flight) - 1;
      const dueAt = now + Math.min(flight.patienceMs, this.#watch.refuseAfterMs);
      if (dueAt < this.#watch.firesAt) this.#watch.arm(now, dueAt);
    }
    const replies = contact.connection.send(flights);
    for (const [i, flight] of flights.entries()) {
      const reply = replies[i] ?? Promise.reject(new ConnectionFault('closed'));
      reply.then(
        (list) => this.#answered(flight, Array.isArray(list) ? (list as unknown[]) : []),
        (error: unknown) => this.#failed(flight, error),
      );
    }
  }

  #answered(flight: Flight<S>, list: readonly unknown[]): void {
    const now = this.#parts.clock.now();
    const serverMs = Number(list.at(-1));
    flight.clock?.note(flight.sentAt, serverMs, now - flight.sentAt, flight.timeoutMs);
    if (list.length === 2 && list[0] === 'late' && flight.step.expires) this.#late(flight, serverMs, now);
    else {
      const isOnly = this.#end(flight, true);
      const way = flight.contact?.soleClock === null ? null : flight.contact;
      for (const [i, { piece, read, receiver, index, open, isSettled }] of flight.requests.entries()) {
        const isFreed = open === undefined || this.#grants.isFinal(piece.freed ?? piece.owner, open, way, serverMs);
        const isFinal = isFreed && (isSettled || !flight.step.grants);
        try {
          receiver.take(read(list[i], piece, isFinal, isOnly), index);
        } catch (error) {
          receiver.fail(this.#parts.failures.failureOf(error, piece.lockName, true), index);
        }
      }
    }
    if (this.#whenIdle !== null) this.#settleIdle();
  }

  /** Refused as one that comes too late: asked once more, by the clock that the refusal shows. */
  #late(flight: Flight<S>, serverMs: number, now: number): void {
    const leftMs = flight.timeoutMs - (now - flight.sentAt);
    const { current } = this.#parts.link;
    const [again, over]: [Queued<S>[], Queued<S>[]] = [[], []];
    const isOver = flight.isAgain || leftMs < 1 || current === null || this.#isClosed;
    const mayAskAgain = ({ owner, call }: Piece<S>): boolean =>
      call?.signal.aborted !== true && (!flight.step.grants || this.#grants.mayAskAgain(owner));
    for (const queued of flight.requests) (isOver || !mayAskAgain(queued.piece) ? over : again).push(queued);
    const [first, ...others] = again;
    if (first !== undefined && current !== null) {
      const second = this.#newFlight(first, flight, true);
      for (const queued of others) join(second, queued, this.#parts.leastSilenceMs);
      second.timeoutMs = leftMs;
      // Before the first has ended: at no time does the owner seem to have nothing on its way.
      this.#transmit(current, [second], now, notAfterFrom(serverMs, now - flight.sentAt, leftMs));
    }
    this.#end(flight, true);
    this.#refuseAll(over, new ConnectionFault('late'));
  }

  #failed(flight: Flight<S>, error: unknown): void {
    const { link } = this.#parts;
    const { isAnswer, next } = this.#parts.verdictOf(error, flight.route);
    if (next === 'elsewhere') flight.contact?.connection.giveUp(null);
    const mayLieWithOne = next === 'by-route' ? flight.requests.some(({ piece }) => piece.route !== flight.route) : next === 'apart';
    if (mayLieWithOne && flight.requests.length > 1 && link.current !== null) {
      if (next === 'by-route') this.#byRoute = true;
      this.#transmit(
        link.current,
        flight.requests.map((queued) => this.#newFlight(queued, flight)),
      );
      this.#end(flight, isAnswer);
    } else {
      this.#end(flight, isAnswer);
      this.#refuseAll(flight.requests, error);
    }
    this.#settleIdle();
  }

  /** @returns whether the server has dealt with this very command, and with no copy of it: where the connection has changed a driver may have sent one */
  #end(flight: Flight<S>, isAnswer: boolean): boolean {
    const isOnly = isAnswer && !flight.wasCopied && flight.contact?.connection.isOpen === true;
    const last = this.#inFlight.pop();
    if (last !== undefined && last !== flight) {
      last.place = flight.place;
      this.#inFlight[flight.place] = last;
    }
    this.#watch.isSilent = false;
    if (flight.step.grants) for (const queued of flight.requests) queued.isSettled = this.#grants.settled(queued.piece.owner, isOnly);
    return isOnly;
  }

  #settleIdle(): void {
    if (this.#whenIdle === null || this.#queue.length > 0 || this.#inFlight.length > 0) return;
    this.#whenIdle();
    this.#whenIdle = null;
  }

  #refuseAll(requests: readonly Queued<S>[], error: unknown): void {
    for (const { piece, receiver, index } of requests) receiver.fail(this.#parts.failures.failureOf(error, piece.lockName, true), index);
  }

  #refuseUnsent({ piece, receiver, index }: Queued<S>, error: unknown): void {
    receiver.fail(this.#parts.failures.failureOf(error, piece.lockName, false), index);
  }
}
