import type { Clock } from '@holdfast/core';
import { ConnectionFault, Contact, type Link, within } from '@holdfast/core/backend';
import { faultOf } from './driver-faults.js';
import { refuseEviction } from './eviction-policy.js';
import { RedisConnection } from './redis-connection.js';
import { neverSent, unavailable } from './redis-error.js';
import type { RedisPort } from './redis-port.js';
import type { RedisStep } from './redis-step.js';

export type RedisContact = Contact<RedisStep, RedisConnection>;
/** As the kit's; listeners are notified each time that it has come to lead to a server. */
export interface RedisLink extends Link<RedisStep, RedisConnection> {
  onServer: ((serverId: string) => void) | null;
}

/** This part of its time a call waits for the first answer over a client of the user's. */
const PATIENCE = 0.9;

/** The client of the user: used as it is, never closed. */
export class BorrowedLink implements RedisLink {
  readonly #port: RedisPort;
  readonly #clock: Clock;
  readonly #allowEviction: boolean;
  readonly #watch = { losses: 0 };
  #unwatch: (() => void) | null = null;
  #contact: RedisContact | null = null;
  #losses = 0;
  #isChecked = false;
  #checking: Promise<void> | null = null;
  onServer: ((serverId: string) => void) | null = null;

  constructor(port: RedisPort, clock: Clock, allowEviction: boolean) {
    this.#port = port;
    this.#clock = clock;
    this.#allowEviction = allowEviction;
  }

  get current(): RedisContact | null {
    return this.#isChecked ? this.#latest : null;
  }

  async open(timeoutMs: number): Promise<RedisContact> {
    if (!this.#isChecked && !this.#allowEviction) {
      // One question at a time: an offline queue would collect them.
      this.#checking ??= refuseEviction(this.#port).finally(() => {
        this.#checking = null;
      });
      try {
        // In the time of the call, so that the call hears why there is no answer.
        await within(this.#clock, timeoutMs * PATIENCE, this.#checking);
      } catch (error) {
        throw neverSent(faultOf(this.#port, error), this.#port.driver);
      }
    }
    this.#isChecked = true;
    return this.#latest;
  }

  close(): void {
    this.#unwatch?.();
  }

  /** What was learnt over a connection that the client has lost since is forgotten. */
  get #latest(): RedisContact {
    const watch = this.#watch;
    this.#unwatch ??= this.#port.onLost(() => {
      watch.losses += 1;
    });
    if (this.#contact === null || this.#losses !== watch.losses) {
      this.#losses = watch.losses;
      this.#contact = contactWith(new RedisConnection(this.#port, { isOurs: false, watch }));
      greet(this.#contact, this.#clock, (serverId) => this.onServer?.(serverId));
    }
    return this.#contact;
  }
}

/** Steps of an owned link that differ by what it is for. */
export interface OwnedLinkSteps {
  readonly clock: Clock;
  /** Makes a client that begins to connect by itself. */
  readonly make: () => Promise<RedisPort> | RedisPort;
  /** What has to be done before it is of use; null: nothing. */
  readonly prepare: ((connection: RedisConnection) => Promise<unknown>) | null;
  /** It had been open, and ended without our doing. */
  readonly onLost?: () => void;
}

/** A connection of our own: made when it is needed, a new one for each time that it breaks. */
export class OwnedLink implements RedisLink {
  readonly #steps: OwnedLinkSteps;
  #contact: RedisContact | null = null;
  #opening: Promise<RedisContact> | null = null;
  #unready: RedisConnection | null = null;
  #isClosed = false;
  onServer: ((serverId: string) => void) | null = null;

  constructor(steps: OwnedLinkSteps) {
    this.#steps = steps;
  }

  get current(): RedisContact | null {
    return this.#contact !== null && this.#contact.connection.isOpen ? this.#contact : null;
  }

  open(timeoutMs: number): Promise<RedisContact> {
    const { current } = this;
    if (current !== null) return Promise.resolve(current);
    this.#opening ??= this.#open(timeoutMs).finally(() => {
      this.#opening = null;
    });
    return this.#opening;
  }

  close(): void {
    this.#isClosed = true;
    for (const connection of [this.#contact?.connection, this.#unready]) connection?.close();
    this.#contact = null;
  }

  async #open(timeoutMs: number): Promise<RedisContact> {
    const { clock, make, prepare } = this.#steps;
    if (this.#isClosed) throw neverSent(new ConnectionFault('closed'), null);
    const port = await make();
    const connection = new RedisConnection(port, { isOurs: true, watch: null });
    this.#unready = connection;
    port.onLost(() => this.#lose(connection));
    const contact = contactWith(connection);
    try {
      await within(clock, timeoutMs, port.ready());
      greet(contact, clock, (serverId) => this.onServer?.(serverId));
      if (prepare !== null) await within(clock, timeoutMs, prepare(connection));
      // A refused password or database is reported beside the answers, and the connection goes on with another.
      if (port.failure !== undefined && port.isCluster !== true) throw unavailable(port.failure, null, port.driver);
      if (this.#isClosed) throw new ConnectionFault('closed');
    } catch (error) {
      connection.giveUp(null);
      throw neverSent(port.failure ?? error, port.driver);
    } finally {
      this.#unready = null;
    }
    this.#contact = contact;
    return contact;
  }

  #lose(connection: RedisConnection): void {
    if (connection !== this.#contact?.connection) return;
    this.#contact = null;
    if (!this.#isClosed) this.#steps.onLost?.();
  }
}

function contactWith(connection: RedisConnection): RedisContact {
  const { port } = connection;
  return new Contact(connection, port.isCluster === true ? (slot) => port.nodeOf?.(slot) ?? '' : undefined);
}

/** For so long an answer to the greeting is waited for; what comes later says too little of the server's time. */
const GREETING_MS = 1000;

/**
 * Asks for the server's time, and which server it is, in front of what is asked anyway, so that it costs no round trip. What is not
 * answered, or not permitted, is not known. Of a cluster's nodes the first request asks.
 */
function greet(contact: RedisContact, clock: Clock, onServer: (serverId: string) => void): void {
  const { connection } = contact;
  const { port } = connection;
  if (port.isCluster === true) return;
  const at = clock.now();
  const noteTime = (time: unknown): void => {
    const [seconds, micros] = Array.isArray(time) ? (time as readonly string[]) : [];
    contact.clockOf(0).note(at, Number(seconds) * 1000 + Math.floor(Number(micros) / 1000), clock.now() - at, GREETING_MS);
  };
  const noteServer = (info: unknown): void => {
    connection.serverId = typeof info === 'string' ? (/^run_id:(\w+)/m.exec(info)?.[1] ?? null) : null;
    if (connection.serverId !== null) onServer(connection.serverId);
  };
  const ignore = (): void => {};
  port.call('TIME').then(noteTime, ignore);
  port.call('INFO', 'server').then(noteServer, ignore);
}
