import type { LockUnavailableError, Stamp } from '@holdfast/core';
import { stampOf } from '@holdfast/core/backend';
import { AbandonedSessions } from './abandoned-sessions.js';
import { ReadyLine } from './ready-line.js';
import { RetryPause } from './retry-pause.js';
import { believedMsOf, checkEveryMs, dueOf, handshakeMs } from './session-health.js';
import type { HostAndPort, SessionIdentity } from './tamed-client.js';
import type { Driver } from './zookeeper-client.js';
import { Connection, type ConnectionSettings } from './zookeeper-connection.js';
import { closedError, ConnectionLostError, isUnknown, neverSent, SessionExpiredError, unavailable } from './zookeeper-error.js';

export interface LinkSettings extends ConnectionSettings {
  readonly openDriver: () => Promise<Driver>;
  readonly servers: readonly HostAndPort[];
}

export interface LinkListener {
  /**
   * Requests can be made. What waits for the session goes on when this has settled: with a write that was acknowledged. New until it has
   * settled once, over however many connections.
   */
  onConnected(isNew: boolean): Promise<void>;
  /** It is over: a server says so, or two thirds of its time have passed in silence. The next one is another. */
  onLost(): void;
  /** Nothing was written for a while: a write is due. */
  onUnwritten(): void;
}

/** The session that the servers have given us. */
interface Given {
  readonly identity: SessionIdentity;
  readonly id: bigint;
  /** When the last write that was acknowledged had been sent. */
  written: Stamp;
  /** Until then nothing was done in it but what shows that it may be used. */
  hasServed: boolean;
}

/** The connection of now, and how far it has come: `open` from the handshake on, `serving` when all may use it. */
type Line = { readonly is: 'none' } | { readonly is: 'opening' | 'open' | 'serving'; readonly connection: Connection };

/** The one who asks between two tries waits for the next one if it comes so soon, and else hears how the last one ended. */
const SOON_MS = 100;
/** For so long after the last call servers are tried in one rhythm, however many call: callers that come again do not add tries. */
const LINGER_MS = 3000;

/**
 * One session after another, each over as many connections as it takes. Suspended as soon as a connection ends; lost when a
 * server says so, or when two thirds of its time have passed since the sending of the last write that was acknowledged.
 */
export class SessionLink {
  readonly #settings: LinkSettings;
  readonly #listener: LinkListener;
  readonly #servers: readonly HostAndPort[];
  readonly #waiting: ReadyLine;
  readonly #pause: RetryPause;
  readonly #abandoned: AbandonedSessions;
  #driver: Driver | null = null;
  #nextServer = 0;
  #given: Given | null = null;
  #line: Line = { is: 'none' };
  /** What was negotiated, before that what is asked for. */
  #timeoutMs: number;
  #isRunning = false;
  #isClosed = false;
  /** Why there is no connection, once each server has been tried. */
  #failure: LockUnavailableError | null = null;
  /** When somebody last wanted the session. */
  #wantedAt = Number.NEGATIVE_INFINITY;
  #checkedAt = 0;
  #timer: { cancel(): void } | null = null;

  constructor(settings: LinkSettings, listener: LinkListener) {
    this.#settings = settings;
    this.#listener = listener;
    this.#waiting = new ReadyLine(settings.clock);
    this.#pause = new RetryPause(settings.clock);
    this.#abandoned = new AbandonedSessions(settings);
    this.#timeoutMs = settings.timeoutMs;
    // Clients of one configuration must not all lean on the server that it names first.
    const first = Math.floor(settings.clock.random() * settings.servers.length);
    this.#servers = [...settings.servers.slice(first), ...settings.servers.slice(0, first)];
  }

  /** The present session; 0 before the first. */
  get id(): bigint {
    return this.#given?.id ?? 0n;
  }

  /** For how long after the sending of an acknowledged write the session may be believed in. */
  get believedMs(): number {
    return believedMsOf(this.#timeoutMs);
  }

  get state(): 'none' | 'connected' | 'suspended' | 'closed' {
    if (this.#isClosed) return 'closed';
    if (this.#line.is === 'serving') return 'connected';
    return this.#given === null ? 'none' : 'suspended';
  }

  /** When the last write that a majority has acknowledged had been sent: the session stood at that time. */
  get written(): Stamp | null {
    return this.#given?.written ?? null;
  }

  /** A write that had been sent then was acknowledged. Answers come in the order of their requests. */
  set written(stamp: Stamp) {
    if (this.#given !== null) this.#given.written = stamp;
  }

  /** What requests go out on; null while there is none. */
  get connection(): Connection | null {
    return this.#line.is === 'open' || this.#line.is === 'serving' ? this.#line.connection : null;
  }

  /** As that of a session: what it throws says that nothing was sent. */
  async ready(withinMs: number): Promise<void> {
    if (this.#isClosed) throw closedError();
    if (this.#line.is === 'serving') return;
    this.#wantedAt = this.#settings.clock.now();
    if (this.#failure !== null && this.#pause.remainingMs > SOON_MS) throw neverSent(this.#failure);
    const ready = this.#waiting.wait(withinMs, () => this.#notReady(withinMs));
    if (!this.#isRunning) void this.#run();
    await ready.catch((error: unknown) => {
      throw neverSent(error);
    });
  }

  /** What is so now; why the last try failed is only a part of that, while another is under way. */
  #notReady(withinMs: number): LockUnavailableError {
    const failure = this.#failure;
    if (failure !== null && this.#line.is !== 'opening') return failure;
    const what = this.#line.is === 'open' ? 'a server answered, but the session was not ready' : 'no server answered';
    const before = failure === null ? '' : `; before that ${failure.message.replace(/^zookeeper: /, '')}`;
    return unavailable(new ConnectionLostError(`${what} within ${withinMs} ms${before}`)) as LockUnavailableError;
  }

  /** Ends the session. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#pause.end();
    this.#waiting.refuseAll(closedError());
    if (this.#line.is !== 'none') await this.#line.connection.close();
  }

  /** Connects again and again, for as long as somebody wants the session or there is one to keep. Never rejects. */
  async #run(): Promise<void> {
    this.#isRunning = true;
    this.#pause.reset();
    // How many servers were tried in this round.
    let tries = 0;
    while (!this.#isClosed && this.#isWanted()) {
      if (tries === 0) this.#waiting.beginRound();
      const error = await this.#live();
      this.#pause.end();
      if (this.#isClosed) break;
      // A connection that has served was not a try in vain.
      tries = this.#line.is === 'serving' ? 0 : tries + 1;
      this.#line = { is: 'none' };
      if (error instanceof SessionExpiredError && this.#given !== null) {
        this.#lose();
        continue;
      }
      const failure = unavailable(error) as LockUnavailableError;
      if (!failure.retryable) {
        this.#waiting.refuseAll(failure);
        // What is held may yet be kept, where somebody gives back what was taken away.
        if (this.#given === null) break;
      }
      this.#watchOver();
      if (tries < this.#servers.length) continue;
      tries = 0;
      this.#failure = failure;
      this.#waiting.endRound(failure);
      await this.#pause.begin();
    }
    this.#isRunning = false;
  }

  #isWanted(): boolean {
    return !this.#waiting.isEmpty || this.#given !== null || this.#settings.clock.now() - this.#wantedAt < LINGER_MS;
  }

  /** One connection from its beginning to its end. @returns why it ended */
  async #live(): Promise<unknown> {
    try {
      this.#driver ??= await this.#settings.openDriver();
    } catch (error) {
      return error;
    }
    const driver = this.#driver;
    const server = this.#servers[this.#nextServer % this.#servers.length];
    if (server === undefined || this.#isClosed) return closedError();
    this.#nextServer += 1;
    const started = stampOf(this.#settings.clock);
    let handshake: { cancel(): void } | null = null;
    const error = await new Promise<unknown>((resolve) => {
      const connection = new Connection(driver, server, this.#settings, this.#given?.identity ?? null, {
        onEnd: resolve,
        onOpen: () => {
          handshake?.cancel();
          void this.#settle(connection, started).then((isSettled) => {
            if (isSettled) this.#abandoned.closeAll(driver, server);
          });
        },
      });
      const ms = handshakeMs(this.#timeoutMs, this.#servers.length);
      handshake = this.#settings.clock.setTimer(ms, () => connection.drop('the server did not answer the handshake'));
      this.#line = { is: 'opening', connection };
    });
    (handshake as { cancel(): void } | null)?.cancel();
    return error;
  }

  /** The server knows us: has the listener write, and look at what it has, and lets everybody in. Never rejects. */
  async #settle(connection: Connection, started: Stamp): Promise<boolean> {
    const { identity } = connection;
    const known = this.#given?.identity.id.equals(identity.id) === true ? this.#given : null;
    const isNew = known?.hasServed !== true;
    // A session is made by a write, too.
    const given = { identity, id: identity.id.readBigUInt64BE(), written: known?.written ?? started, hasServed: !isNew };
    this.#given = given;
    this.#timeoutMs = connection.timeoutMs;
    this.#line = { is: 'open', connection };
    // Why there was no connection says nothing of this connection.
    this.#failure = null;
    this.#checkedAt = this.#settings.clock.now();
    this.#watchOver();
    const isPresent = (): boolean => this.connection === connection && !this.#isClosed;
    for (;;) {
      try {
        await this.#listener.onConnected(isNew);
        break;
      } catch (error) {
        if (isUnknown(error) || !isPresent()) return false;
        const failure = unavailable(error) as LockUnavailableError;
        this.#waiting.refuseAll(failure);
        if (!failure.retryable && isNew) {
          this.#lose();
          await connection.close(failure);
          return false;
        }
        // A quota, an overload, a permission that was taken away: another connection would not change that.
        this.#failure = failure;
        await this.#pause.begin();
      }
      if (!isPresent()) return false;
    }
    if (!isPresent()) return false;
    given.hasServed = true;
    this.#line = { is: 'serving', connection };
    this.#failure = null;
    this.#pause.reset();
    this.#waiting.letIn();
    return true;
  }

  #lose(): void {
    if (this.#given === null) return;
    this.#given = null;
    if (this.#line.is === 'serving') this.#line = { is: 'open', connection: this.#line.connection };
    this.#timer?.cancel();
    this.#timer = null;
    this.#listener.onLost();
  }

  /** Abandons the session, whatever the servers think of it. */
  #abandon({ identity }: Given): void {
    this.#abandoned.add(identity);
    this.#lose();
    if (this.#line.is !== 'none') this.#line.connection.drop('the session was abandoned');
  }

  /** Looks at the session every so often, for as long as there is one. */
  #watchOver(): void {
    this.#timer?.cancel();
    if (this.#given === null || this.#isClosed) return;
    const everyMs = checkEveryMs(this.#timeoutMs);
    this.#timer = this.#settings.clock.setTimer(everyMs, () => {
      if (this.#given !== null) this.#check(this.#given, everyMs);
      this.#watchOver();
    });
  }

  #check(given: Given, everyMs: number): void {
    const now = this.#settings.clock.now();
    const sinceCheckMs = now - this.#checkedAt;
    this.#checkedAt = now;
    const { connection } = this;
    const due = dueOf({
      timeoutMs: this.#timeoutMs,
      unwrittenMs: now - given.written.now,
      silentMs: connection?.silentMs(now) ?? null,
      isServing: this.#line.is === 'serving',
      stoodStill: sinceCheckMs > 2 * everyMs,
    });
    if (due === 'abandon') this.#abandon(given);
    else if (due === 'drop') connection?.drop('the server fell silent');
    else if (due === 'write') this.#listener.onUnwritten();
  }
}
