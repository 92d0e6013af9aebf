import { ServerClock } from './server-clock.js';

/** What the store is asked to do, such as a script of it. */
export interface Step {
  readonly name: string;
  /** How many requests may share a command: not so many that the server is held up. */
  readonly most: number;
  /** The command carries `notAfter`, and the server refuses one that comes later. */
  readonly expires: boolean;
  /** It may bring a hold of its owner's into being. */
  readonly grants: boolean;
  /** It frees whatever its owner has: its reader is told whether that is final. */
  readonly frees: boolean;
}

/** Requests that travel as one. */
export interface Command<S extends Step> {
  readonly step: S;
  /** Which part of the store gets the command; all keys belong there. */
  readonly route: number;
  readonly keys: readonly string[];
  readonly args: readonly string[];
}

/**
 * One connection to a store, whatever client stands behind it. The sender makes no other use of a client.
 *
 * A reply is a list: one element a request, and the server's time in ms as its last. `['late', ms]` is the refusal of the
 * whole command.
 */
export interface StoreConnection<S extends Step> {
  /**
   * Sends the commands in this order, before it returns. Each promise settles when its command was answered, or when the
   * connection has ended; it may take for ever on a connection that nobody gives up.
   */
  send(commands: readonly Command<S>[]): readonly Promise<unknown>[];
  /** false once the connection has ended or broken: an answer that comes then may be that of a second copy. */
  readonly isOpen: boolean;
  /**
   * Ends the connection at once, or the part of it that a route leads to, without waiting for the other side. Once is
   * enough: further calls do nothing. A connection that is not ours stays.
   */
  giveUp(route: number | null): void;
  /**
   * Hears what is published on a channel from the moment on in which the promise resolves, until the connection ends or what it resolves
   * with is called.
   */
  listen(channel: string, onMessage: (text: string) => void): Promise<() => void>;
  /** Ends a connection of ours in order. */
  close(): void;
}

/** A connection that stands, with the clocks of the servers behind it. What is known of them ends with the connection. */
export class Contact<S extends Step, C extends StoreConnection<S> = StoreConnection<S>> {
  readonly connection: C;
  /** The clock of the one server behind the connection, where what is sent later is carried out later; null of several servers. */
  readonly soleClock: ServerClock | null;
  readonly #nodeOf: (route: number) => string;
  readonly #clocks = new Map<string, ServerClock>();

  /** @param nodeOf which of several servers a route leads to at present */
  constructor(connection: C, nodeOf?: (route: number) => string) {
    this.connection = connection;
    this.soleClock = nodeOf === undefined ? new ServerClock() : null;
    this.#nodeOf = nodeOf ?? (() => '');
  }

  clockOf(route: number): ServerClock {
    if (this.soleClock !== null) return this.soleClock;
    const node = this.#nodeOf(route);
    let clock = this.#clocks.get(node);
    if (clock === undefined) {
      clock = new ServerClock();
      this.#clocks.set(node, clock);
    }
    return clock;
  }
}

/** The way to the store: a connection that is made when it is needed, and made anew each time that it breaks. */
export interface Link<S extends Step, C extends StoreConnection<S> = StoreConnection<S>> {
  /** What to send on now; null when `open` has to be awaited first. */
  readonly current: Contact<S, C> | null;
  /** Makes first contact, or renews it; rejects within `timeoutMs`. */
  open(timeoutMs: number): Promise<Contact<S, C>>;
  close(): void;
}
