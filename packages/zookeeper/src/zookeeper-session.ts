import type { LockUnavailableError, Stamp } from '@holdfast/core';
import { stampOf } from '@holdfast/core/backend';
import type { CreatedNode, NodeMode, NodeStat } from './create-request.js';
import { Directories } from './directories.js';
import { ReadyLine } from './ready-line.js';
import { RetryPause } from './retry-pause.js';
import type { Watcher } from './watch-table.js';
import type { Driver } from './zookeeper-client.js';
import { Connection, type ConnectionSettings, type HostAndPort, type NodeRecord, type SessionIdentity } from './zookeeper-connection.js';
import { closedError, ConnectionLostError, isCode, isUnknown, neverSent, SessionExpiredError, unavailable } from './zookeeper-error.js';

export interface SessionSettings extends ConnectionSettings {
  readonly openDriver: () => Promise<Driver>;
  readonly servers: readonly HostAndPort[];
  /** Nodes that must be there, parents first; the last is where sessions have their nodes. */
  readonly directories: readonly string[];
}

/** What the session tells of itself. */
export interface SessionListener {
  /** It is connected and the server has taken a write. What waits for the session goes on when this has settled. */
  onConnected(isNew: boolean): Promise<void>;
  /** It is over: a server says so, or two thirds of its time have passed in silence. The next one is another. */
  onLost(): void;
}

/** How often in its time a session is looked at. */
const CHECKS = 15;
const MOST_SILENT_MS = 5000;
const MOST_HANDSHAKE_MS = 2000;
/** The one who asks between two tries waits for the next one if it comes so soon, and else hears how the last one ended. */
const SOON_MS = 100;
/** For so long after the last call servers are tried in one rhythm, however many call: callers that come again do not add tries. */
const LINGER_MS = 3000;
/** How many sessions that were given up are remembered: they end by themselves, too. */
const MOST_ABANDONED = 10;
const EMPTY = Buffer.alloc(0);

/**
 * A session with an ensemble, over as many connections as it takes. Suspended as soon as a connection ends; lost when a
 * server says so, or when two thirds of its time have passed since the sending of the last write that was acknowledged.
 * A session that was given up is not tried for again, because on a half-open network each try would prolong its life;
 * it is closed as soon as there is a connection for the next one, and ends by itself with its time.
 *
 * The heartbeat is a write, because only a majority can acknowledge one: a server that is cut off from its leader goes on
 * answering reads and pings.
 */
export class ZooKeeperSession {
  readonly #settings: SessionSettings;
  readonly #listener: SessionListener;
  readonly #servers: readonly HostAndPort[];
  readonly #directories: Directories;
  readonly #line: ReadyLine;
  readonly #pause: RetryPause;
  #driver: Driver | null = null;
  #nextServer = 0;
  #identity: SessionIdentity | null = null;
  /** Sessions that were given up and may still stand on the servers. */
  #abandoned: SessionIdentity[] = [];
  #id = 0n;
  #timeoutMs: number;
  /** The one that is being made or used. */
  #latest: Connection | null = null;
  /** The one that is open. */
  #connection: Connection | null = null;
  #isReady = false;
  #isRunning = false;
  #isClosed = false;
  /** Why there is no connection, once each server has been tried. */
  #failure: LockUnavailableError | null = null;
  /** When somebody last wanted the session. */
  #wantedAt = Number.NEGATIVE_INFINITY;
  /** When the last write that was acknowledged had been sent; null before the first of this session. */
  #written: Stamp | null = null;
  #checkedAt = 0;
  #timer: { cancel(): void } | null = null;
  #beat: Promise<NodeStat> | null = null;
  /** By path: what is about to be asked. */
  readonly #looks = new Map<string, { readonly watchers: Set<Watcher>; readonly names: Promise<readonly string[]> }>();

  constructor(settings: SessionSettings, listener: SessionListener) {
    this.#settings = settings;
    this.#listener = listener;
    this.#directories = new Directories(settings.directories, (path) => this.create(path, EMPTY, 'persistent'));
    this.#line = new ReadyLine(settings.clock);
    this.#pause = new RetryPause(settings.clock);
    this.#timeoutMs = settings.timeoutMs;
    // Clients of one configuration must not all lean on the server that it names first.
    const first = Math.floor(settings.clock.random() * settings.servers.length);
    this.#servers = [...settings.servers.slice(first), ...settings.servers.slice(0, first)];
  }

  /** The present session; 0 before the first. */
  get id(): bigint {
    return this.#id;
  }

  /** The time after which the server ends a silent session: what was negotiated, before that what is asked for. */
  get timeoutMs(): number {
    return this.#timeoutMs;
  }

  /** For how long after the sending of an acknowledged write the session may be believed in. */
  get believedMs(): number {
    return Math.floor((this.#timeoutMs * 2) / 3);
  }

  get state(): 'none' | 'connected' | 'suspended' | 'closed' {
    if (this.#isClosed) return 'closed';
    if (this.#isReady) return 'connected';
    return this.#identity === null ? 'none' : 'suspended';
  }

  /** When the last write that a majority has acknowledged had been sent: the session stood at that time. */
  get written(): Stamp | null {
    return this.#written;
  }

  /** How many watchers the connection keeps. */
  get watchers(): number {
    return this.#connection?.watchers ?? 0;
  }

  /**
   * Resolves when requests can be made; connects if need be. To be asked before the first request of a call.
   *
   * @throws LockUnavailableError `wasSent: false`, when each server has been tried in vain, after `withinMs`, or when waiting cannot help
   */
  async ready(withinMs: number): Promise<void> {
    if (this.#isClosed) throw closedError();
    if (this.#isReady) return;
    try {
      await this.#whenReady(withinMs);
    } catch (error) {
      throw neverSent(error);
    }
  }

  /** Makes a node. A sequential one gets a number behind its path. */
  create(path: string, data: Buffer, mode: NodeMode): Promise<CreatedNode> {
    return this.#write((connection) => connection.create(path, data, mode));
  }

  /** As `create`, and makes the directories above the node where they are missing. */
  createUnder(path: string, data: Buffer, mode: NodeMode): Promise<CreatedNode> {
    return this.#directories.under(() => this.create(path, data, mode));
  }

  remove(path: string, version = -1): Promise<void> {
    return this.#write((connection) => connection.remove(path, version));
  }

  setData(path: string, data: Buffer, version = -1): Promise<NodeStat> {
    return this.#write((connection) => connection.setData(path, data, version));
  }

  /** @param watcher notified once, when the data change or the node is removed; never when the connection ends before */
  getData(path: string, watcher?: Watcher): Promise<NodeRecord> {
    return this.#read((connection) => connection.getData(path, watcher));
  }

  /**
   * One look for all who want it in the same tick, as those do whom one change has woken.
   *
   * @param watcher notified once, when a child comes or goes; never when the connection ends before
   */
  getChildren(path: string, watcher?: Watcher): Promise<readonly string[]> {
    let look = this.#looks.get(path);
    if (look === undefined) {
      const watchers = new Set<Watcher>();
      const names = Promise.resolve().then(() => {
        this.#looks.delete(path);
        return this.#read((connection) => connection.getChildren(path, [...watchers]));
      });
      look = { watchers, names };
      this.#looks.set(path, look);
    }
    if (watcher !== undefined) look.watchers.add(watcher);
    return look.names;
  }

  /** A write on the session's own node: shows that a majority still knows the session, and what time the leader has. */
  beat(): Promise<NodeStat> {
    // One for all who ask for it in the same tick.
    this.#beat ??= Promise.resolve().then(() => {
      this.#beat = null;
      return this.#beatNow();
    });
    return this.#beat;
  }

  /** Ends the session, so that its ephemeral nodes go at once and not with its time. */
  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#isReady = false;
    this.#timer?.cancel();
    this.#pause.end();
    this.#line.refuseAll(closedError());
    await this.#latest?.close();
  }

  async #beatNow(): Promise<NodeStat> {
    const path = this.#ownPath();
    try {
      return await this.setData(path, EMPTY);
    } catch (error) {
      if (!isCode(error, 'NO_NODE')) throw error;
      // Somebody tidied up.
      await this.#makeOwnNode();
      return await this.setData(path, EMPTY);
    }
  }

  #ownPath(): string {
    return `${this.#settings.directories.at(-1) ?? ''}/${this.#id.toString(16).padStart(16, '0')}`;
  }

  async #makeOwnNode(): Promise<void> {
    try {
      await this.createUnder(this.#ownPath(), EMPTY, 'ephemeral');
    } catch (error) {
      if (!isCode(error, 'NODE_EXISTS')) throw error;
    }
  }

  async #write<T>(send: (connection: Connection) => Promise<T>): Promise<T> {
    const sent = stampOf(this.#settings.clock);
    const value = await this.#read(send);
    // Answers come in the order of their requests.
    this.#written = sent;
    return value;
  }

  #read<T>(send: (connection: Connection) => Promise<T>): Promise<T> {
    if (this.#connection === null) return Promise.reject(new ConnectionLostError('there is no connection', { isSent: false }));
    return send(this.#connection);
  }

  async #whenReady(withinMs: number): Promise<void> {
    this.#wantedAt = this.#settings.clock.now();
    if (this.#failure !== null && this.#pause.remainingMs > SOON_MS) throw this.#failure;
    const ready = this.#line.wait(
      withinMs,
      () => this.#failure ?? unavailable(new ConnectionLostError(`no server answered within ${withinMs} ms`)),
    );
    if (!this.#isRunning) void this.#run();
    await ready;
  }

  /** Connects again and again, for as long as somebody wants the session or there is one to keep. Never rejects. */
  async #run(): Promise<void> {
    this.#isRunning = true;
    this.#pause.reset();
    // How many servers were tried in this round.
    let tries = 0;
    while (!this.#isClosed && this.#isWanted()) {
      if (tries === 0) this.#line.beginRound();
      const error = await this.#live();
      this.#pause.end();
      if (this.#isClosed) break;
      // A connection that has served was not a try in vain.
      tries = this.#isReady ? 0 : tries + 1;
      this.#isReady = false;
      this.#connection = null;
      if (error instanceof SessionExpiredError && this.#identity !== null) {
        this.#lose();
        continue;
      }
      const failure = unavailable(error) as LockUnavailableError;
      if (!failure.retryable) {
        this.#line.refuseAll(failure);
        // What is held may yet be kept, where somebody gives back what was taken away.
        if (this.#identity === null) break;
      }
      this.#watchOver();
      if (tries < this.#servers.length) continue;
      tries = 0;
      this.#failure = failure;
      this.#line.endRound(failure);
      await this.#pause.begin();
    }
    this.#isRunning = false;
  }

  #isWanted(): boolean {
    return !this.#line.isEmpty || this.#identity !== null || this.#settings.clock.now() - this.#wantedAt < LINGER_MS;
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
      const connection = new Connection(driver, server, this.#settings, this.#identity, {
        onEnd: resolve,
        onOpen: () => {
          handshake?.cancel();
          void this.#settle(connection, started).then((isSettled) => {
            if (isSettled) this.#closeAbandoned(driver, server);
          });
        },
      });
      handshake = this.#settings.clock.setTimer(this.#handshakeMs(), () => connection.drop('the server did not answer the handshake'));
      this.#latest = connection;
    });
    (handshake as { cancel(): void } | null)?.cancel();
    return error;
  }

  /** The server knows us: writes once, lets the listener look at what it has, and lets everybody in. Never rejects. */
  async #settle(connection: Connection, started: Stamp): Promise<boolean> {
    const { id } = connection.identity;
    const isNew = this.#identity === null || !this.#identity.id.equals(id);
    // A session is made by a write, too.
    if (isNew) this.#written = started;
    this.#identity = connection.identity;
    this.#id = id.readBigUInt64BE();
    this.#timeoutMs = connection.timeoutMs;
    this.#connection = connection;
    this.#checkedAt = this.#settings.clock.now();
    this.#watchOver();
    const isPresent = (): boolean => this.#connection === connection && !this.#isClosed;
    for (;;) {
      try {
        if (isNew) await this.#makeOwnNode();
        else await this.#beatNow();
        await this.#listener.onConnected(isNew);
        break;
      } catch (error) {
        if (isUnknown(error) || !isPresent()) return false;
        const failure = unavailable(error) as LockUnavailableError;
        if (!failure.retryable && isNew) {
          this.#line.refuseAll(failure);
          this.#lose();
          await connection.close(failure);
          return false;
        }
        // A quota, an overload, a permission that was taken away: another connection would not change that.
        this.#failure = failure;
        this.#line.refuseAll(failure);
        await this.#pause.begin();
      }
      if (!isPresent()) return false;
    }
    if (!isPresent()) return false;
    this.#isReady = true;
    this.#failure = null;
    this.#pause.reset();
    this.#line.letIn();
    return true;
  }

  #lose(): void {
    if (this.#identity === null) return;
    this.#identity = null;
    this.#id = 0n;
    this.#isReady = false;
    this.#written = null;
    this.#timer?.cancel();
    this.#timer = null;
    this.#listener.onLost();
  }

  /** Gives the session up, whatever the servers think of it. */
  #giveUp(): void {
    if (this.#identity !== null) this.#abandoned = [...this.#abandoned, this.#identity].slice(-MOST_ABANDONED);
    this.#lose();
    this.#latest?.drop('the session was given up');
  }

  /** Closes what was given up, so that its nodes do not stand for the rest of its time. */
  #closeAbandoned(driver: Driver, server: HostAndPort): void {
    for (const identity of this.#abandoned.splice(0)) {
      const connection: Connection = new Connection(driver, server, this.#settings, identity, {
        onOpen: () => void connection.close(),
        onEnd: () => timer.cancel(),
      });
      const timer = this.#settings.clock.setTimer(MOST_HANDSHAKE_MS, () => connection.drop('the server did not answer the handshake'));
    }
  }

  #handshakeMs(): number {
    return Math.min(MOST_HANDSHAKE_MS, Math.max(100, Math.floor(this.#timeoutMs / (2 * this.#servers.length))));
  }

  /** Looks at the session every so often, for as long as there is one. */
  #watchOver(): void {
    this.#timer?.cancel();
    if (this.#identity === null || this.#isClosed) return;
    const everyMs = Math.max(20, this.#timeoutMs / CHECKS);
    this.#timer = this.#settings.clock.setTimer(everyMs, () => {
      this.#check(everyMs);
      this.#watchOver();
    });
  }

  #check(everyMs: number): void {
    const now = this.#settings.clock.now();
    // A process that stood still finds the answers behind its timers: they are not late.
    const stoodStill = now - this.#checkedAt > 2 * everyMs;
    this.#checkedAt = now;
    const unwrittenMs = now - (this.#written?.now ?? Number.NEGATIVE_INFINITY);
    if (unwrittenMs >= this.believedMs) {
      this.#giveUp();
      return;
    }
    const connection = this.#connection;
    if (connection === null || stoodStill) return;
    // A fifth without a write, a fifth without an answer, a fifteenth each until it is noticed: less than the two thirds, so
    // that there is time to find another server. And the leader, who may count from the contact before the last, counts from
    // late enough.
    if (connection.silentMs(now) >= Math.min(this.#timeoutMs / 5, MOST_SILENT_MS)) connection.drop('the server fell silent');
    else if (this.#isReady && unwrittenMs >= this.#timeoutMs / 5) this.beat().catch(() => {});
  }
}
