import { nextTick } from 'node:process';
import type { Clock } from '../contract/clock.js';
import { ConnectionFault } from './connection-fault.js';
import type { Contact, Link, Step } from './connection.js';
import type { Flight, Queued } from './flight.js';
import { GrantLedger } from './grant-ledger.js';
import type { FailureRules, Piece, Read, Receiver, Verdict } from './piece.js';
import { ReplyList } from './reply-list.js';
import { notAfterFrom, surelyPastMs, windowMs } from './server-clock.js';
import { SilenceWatch } from './silence-watch.js';

/** What differs between stores. */
export interface SenderParts<S extends Step> {
  /** Where time and timers come from. */
  readonly clock: Clock;
  /** The way to the store. */
  readonly link: Link<S>;
  /** How failures are worded and compared. */
  readonly failures: FailureRules;
  /** Keys and an argument that go in front of each command's. */
  readonly head: {
    /** In front of the keys. */
    readonly keys: readonly string[];
    /** In front of the arguments. */
    readonly argument: string;
  };
  /** Whether requests of different routes may not share a command. */
  readonly byRoute: boolean;
  /** A connection is not given up sooner, however short the time that a request was given. */
  readonly leastSilenceMs: number;
  /** A server that was silent for so long is asked nothing more until it answers. @default it is asked */
  readonly refuseAfterMs?: number;
  /** Whether requests for this route had better not share a command. @default they may */
  isApart?(route: number): boolean;
  /** What to do about a command that failed so. */
  verdictOf(error: unknown, route: number): Verdict;
}

const FULL_QUEUE = 128;
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
  readonly #inFlight = new Set<Flight<S>>();
  readonly #watch: SilenceWatch<S>;
  #queue: Queued<S>[] = [];
  #isScheduled = false;
  #byRoute: boolean;
  #isClosed = false;
  #whenIdle: (() => void) | null = null;

  constructor(parts: SenderParts<S>) {
    this.#parts = parts;
    this.#byRoute = parts.byRoute;
    this.#watch = new SilenceWatch(parts.clock, this.#inFlight, parts.refuseAfterMs ?? Number.POSITIVE_INFINITY);
  }

  /** Sends one request; resolves with what `read` makes of the reply. */
  send<T>(piece: Piece<S>, read: Read<S, T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const take = (reply: unknown, _index: number, isFinal: boolean, isOnly: boolean): void => {
        try {
          resolve(read(reply, piece, isFinal, isOnly));
        } catch (error) {
          reject(this.#parts.failures.failureOf(error, piece.lockName, true));
        }
      };
      this.#enter(piece, { take, fail: reject }, 0, true);
    });
  }

  /** Many at once: settles when all were answered, with the failure that matters most when any failed. */
  sendAll<T>(pieces: readonly Piece<S>[], read: Read<S, T>): Promise<readonly T[]> {
    const receiver = new ReplyList(pieces, read, this.#parts.failures);
    for (const [index, piece] of pieces.entries()) this.#enter(piece, receiver, index, pieces.length === 1);
    return receiver.all;
  }

  /** Resolves when everything sent was answered, or after `timeoutMs`. */
  async drain(timeoutMs: number): Promise<void> {
    if (this.#isIdle) return;
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

  #enter(piece: Piece<S>, receiver: Receiver, index: number, isAlone: boolean): void {
    const { link, clock } = this.#parts;
    if (this.#isClosed || this.#watch.isSilent) {
      this.#refuseUnsent(
        { piece, receiver, index, dueAt: 0, open: undefined, isSettled: false },
        new ConnectionFault(this.#isClosed ? 'closed' : 'silent'),
      );
      return;
    }
    const contact = link.current;
    const dueAt = contact === null ? clock.now() + piece.timeoutMs : Number.POSITIVE_INFINITY;
    const queued: Queued<S> = { piece, receiver, index, dueAt, open: undefined, isSettled: false };
    // Nothing to share a command with, so nothing to wait for.
    if (isAlone && contact !== null && this.#inFlight.size === 0 && !this.#isScheduled) {
      this.#transmit(contact, [this.#newFlight(queued)]);
      return;
    }
    this.#queue.push(queued);
    if (!this.#isScheduled) {
      this.#isScheduled = true;
      // After all promise callbacks of this turn: replies that came in one packet lead to requests that leave in one.
      nextTick(this.#flush);
    } else if (this.#queue.length >= FULL_QUEUE && contact !== null) {
      // Enough for a command: the server works on it while the rest is put together.
      this.#dispatch(contact, this.#queue.splice(0));
    }
  }

  get #isIdle(): boolean {
    return this.#queue.length === 0 && this.#inFlight.size === 0;
  }

  readonly #flush = (): void => {
    const { link } = this.#parts;
    const { current } = link;
    if (current !== null) {
      this.#isScheduled = false;
      this.#dispatch(current, this.#queue.splice(0));
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
    this.#transmit(contact, queue.length === 1 ? [this.#newFlight(first)] : this.#group(queue));
  }

  /** Puts requests for one step together, without letting two for the same keys change places. */
  #group(queue: readonly Queued<S>[]): readonly Flight<S>[] {
    const flights: Flight<S>[] = [];
    const lastOf = new Map<string, number>();
    const lastTouched = new Map<string, number>();
    for (const queued of queue) {
      const { step, route, keys } = queued.piece;
      const group = this.#byRoute ? `${step.name} ${route}` : step.name;
      const hold = keys[0] ?? '';
      const last = lastOf.get(group);
      const flight = last === undefined ? undefined : flights[last];
      const touched = lastTouched.get(hold);
      const isAlone = this.#parts.isApart?.(route) === true;
      if (
        !isAlone &&
        last !== undefined &&
        flight !== undefined &&
        flight.requests.length < step.most &&
        (touched === undefined || touched <= last)
      ) {
        this.#join(flight, queued);
        lastTouched.set(hold, last);
      } else {
        lastTouched.set(hold, flights.length);
        lastOf.set(group, flights.length);
        flights.push(this.#newFlight(queued));
      }
    }
    return flights;
  }

  #newFlight(queued: Queued<S>, isAgain = false): Flight<S> {
    const { keys, argument } = this.#parts.head;
    const { step, route, timeoutMs } = queued.piece;
    const flight: Flight<S> = {
      step,
      route,
      keys: [...keys],
      args: step.expires ? [argument, '', ''] : [argument],
      requests: [],
      timeoutMs,
      patienceMs: Number.POSITIVE_INFINITY,
      contact: null,
      clock: null,
      sentAt: 0,
      isAgain,
      isGivenUp: false,
    };
    this.#join(flight, queued);
    return flight;
  }

  #join(flight: Flight<S>, queued: Queued<S>): void {
    const { keys, args, timeoutMs } = queued.piece;
    flight.requests.push(queued);
    flight.keys.push(...keys);
    flight.args.push(...args);
    flight.timeoutMs = Math.max(flight.timeoutMs, timeoutMs);
    flight.patienceMs = Math.min(flight.patienceMs, Math.max(timeoutMs, this.#parts.leastSilenceMs));
  }

  #transmit(contact: Contact<S>, flights: readonly Flight<S>[]): void {
    const now = this.#parts.clock.now();
    for (const flight of flights) this.#begin(contact, flight, contact.clockOf(flight.route).notAfter(now, flight.timeoutMs), now);
    this.#write(contact, flights);
  }

  #begin(contact: Contact<S>, flight: Flight<S>, notAfter: number, now: number): void {
    const { step, timeoutMs } = flight;
    flight.contact = contact;
    flight.clock = contact.clockOf(flight.route);
    flight.sentAt = now;
    if (step.expires) {
      flight.args[1] = String(notAfter);
      flight.args[2] = String(windowMs(timeoutMs));
    }
    if (step.grants) {
      const forgetAt = now + surelyPastMs(timeoutMs);
      for (const { piece } of flight.requests) this.#grants.sent(piece.owner, notAfter, wayOf(contact), now, forgetAt);
    } else if (step.frees && this.#grants.size > 0) {
      for (const queued of flight.requests) queued.open = this.#grants.releasing(queued.piece.owner);
    }
    this.#inFlight.add(flight);
    this.#watch.expect(now, flight.patienceMs);
  }

  #write({ connection }: Contact<S>, flights: readonly Flight<S>[]): void {
    const replies = connection.send(flights);
    for (const [index, flight] of flights.entries()) {
      const reply = replies[index] ?? Promise.reject(new ConnectionFault('closed'));
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
      this.#end(flight, true);
      const isOnly = flight.contact?.connection.isOpen === true;
      let i = 0;
      for (const queued of flight.requests) queued.receiver.take(list[i++], queued.index, this.#isFinal(flight, queued, serverMs), isOnly);
    }
    this.#settleIdle();
  }

  #isFinal({ step, contact }: Flight<S>, { piece: { owner }, open, isSettled }: Queued<S>, serverMs: number): boolean {
    if (step.grants) return isSettled;
    return open === undefined || this.#grants.isFinal(owner, open, wayOf(contact), serverMs);
  }

  /** Refused as one that comes too late: asked once more, by the clock that the refusal shows. */
  #late(flight: Flight<S>, serverMs: number, now: number): void {
    const leftMs = flight.timeoutMs - (now - flight.sentAt);
    const { current } = this.#parts.link;
    const [again, over]: [Queued<S>[], Queued<S>[]] = [[], []];
    const isOver = flight.isAgain || leftMs < 1 || current === null || this.#isClosed;
    for (const queued of flight.requests) (isOver || !this.#mayAskAgain(flight.step, queued.piece) ? over : again).push(queued);
    const [first, ...others] = again;
    let second: Flight<S> | null = null;
    if (first !== undefined && current !== null) {
      second = this.#newFlight(first, true);
      for (const queued of others) this.#join(second, queued);
      second.timeoutMs = leftMs;
      // Before the first has ended: at no time does the owner seem to have nothing on its way.
      this.#begin(current, second, notAfterFrom(serverMs, now - flight.sentAt, leftMs), now);
    }
    this.#end(flight, true);
    this.#refuseAll(over, new ConnectionFault('late'));
    if (second !== null && current !== null) this.#write(current, [second]);
  }

  #mayAskAgain({ grants }: S, { owner, call }: Piece<S>): boolean {
    return call?.signal.aborted !== true && (!grants || this.#grants.mayAskAgain(owner));
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
        flight.requests.map((queued) => this.#newFlight(queued)),
      );
      this.#end(flight, isAnswer);
    } else {
      this.#end(flight, isAnswer);
      this.#refuseAll(flight.requests, error);
    }
    this.#settleIdle();
  }

  /** @param isAnswer the server has dealt with this very command */
  #end(flight: Flight<S>, isAnswer: boolean): void {
    this.#inFlight.delete(flight);
    this.#watch.heard();
    if (!flight.step.grants) return;
    // Where the connection has changed a driver may have sent a second copy.
    const isSure = isAnswer && flight.contact?.connection.isOpen === true;
    for (const queued of flight.requests) queued.isSettled = this.#grants.settled(queued.piece.owner, isSure);
  }

  #settleIdle(): void {
    if (this.#whenIdle === null || !this.#isIdle) return;
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

function wayOf<S extends Step>(contact: Contact<S> | null): object | null {
  return contact?.isOrdered === true ? contact : null;
}
