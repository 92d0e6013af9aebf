import { type LockUnavailableError, systemClock } from '@holdfast/core';
import { Directories } from './directories.js';
import type { Driver } from './zookeeper-client.js';
import {
  Connection,
  type ConnectionSettings,
  type HostAndPort,
  type NodeChange,
  type NodeMode,
  type NodeStat,
  type SessionIdentity,
} from './zookeeper-connection.js';
import { closedError, ConnectionLostError, isCode, SessionExpiredError, unavailable } from './zookeeper-error.js';

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
const FIRST_RETRY_MS = 25;
const LAST_RETRY_MS = 500;
/** How many sessions that were given up are remembered: they end by themselves, too. */
const MOST_ABANDONED = 10;
const EMPTY = Buffer.alloc(0);

/**
 * A session with an ensemble, over as many connections as it takes. Suspended as soon as a connection ends; lost when a
 * server says so, or when two thirds of its time have passed since the sending of the last write that was acknowledged.
 * A session that was given up is not knocked for again, because on a half-open network each knock would prolong its life;
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
  readonly #waiting = new Set<{ resolve(): void; reject(error: unknown): void }>();
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
  #failure: LockUnavailableError | null = null;
  /** When the last write that was acknowledged had been sent. */
  #writtenAt = Number.NEGATIVE_INFINITY;
  #checkedAt = 0;
  #timer: { cancel(): void } | null = null;
  #beat: Promise<NodeStat> | null = null;
  #endPause: (() => void) | null = null;

  constructor(settings: SessionSettings, listener: SessionListener) {
    this.#settings = settings;
    this.#listener = listener;
    this.#directories = new Directories(settings.directories, (path) => this.create(path, EMPTY, 'persistent'));
    this.#timeoutMs = settings.timeoutMs;
    // Clients of one configuration must not all lean on the server that it names first.
    const first = Math.floor(systemClock.random() * settings.servers.length);
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

  /** Resolves when requests can be made; connects if need be. @throws LockUnavailableError after `withinMs`, or when waiting cannot help */
  async ready(withinMs: number): Promise<void> {
    if (this.#isClosed) throw closedError();
    if (this.#isReady) return;
    let timer: { cancel(): void } | null = null;
    const ready = new Promise<void>((resolve, reject) => {
      const entry = { resolve, reject };
      this.#waiting.add(entry);
      if (withinMs === Number.POSITIVE_INFINITY) return;
      // A little before the caller gives up, who otherwise would hear how long it took and not why.
      timer = systemClock.setTimer(Math.max(0, withinMs - Math.min(50, withinMs / 10)), () => {
        this.#waiting.delete(entry);
        reject(this.#failure ?? unavailable(new ConnectionLostError(`no server answered within ${withinMs} ms`)));
      });
    });
    if (!this.#isRunning) void this.#run();
    try {
      await ready;
    } finally {
      (timer as { cancel(): void } | null)?.cancel();
    }
  }

  /** @returns the path, with the number that a sequential node got */
  create(path: string, data: Buffer, mode: NodeMode): Promise<string> {
    return this.#write((connection) => connection.create(path, data, mode));
  }

  /** As `create`, and makes the directories above the node where they are missing. */
  createUnder(path: string, data: Buffer, mode: NodeMode): Promise<string> {
    return this.#directories.under(() => this.create(path, data, mode));
  }

  remove(path: string, version = -1): Promise<void> {
    return this.#write((connection) => connection.remove(path, version));
  }

  setData(path: string, data: Buffer, version = -1): Promise<NodeStat> {
    return this.#write((connection) => connection.setData(path, data, version));
  }

  /** @param onChange called once, when the data change or the node is removed; never when the connection ends before */
  getData(path: string, onChange?: (change: NodeChange) => void): Promise<{ readonly data: Buffer; readonly stat: NodeStat }> {
    return this.#read((connection) => connection.getData(path, onChange));
  }

  /** @param onChange called once, when a child comes or goes; never when the connection ends before */
  getChildren(path: string, onChange?: () => void): Promise<readonly string[]> {
    return this.#read((connection) => connection.getChildren(path, onChange));
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
    this.#endPause?.();
    for (const waiting of this.#waiting) waiting.reject(closedError());
    this.#waiting.clear();
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
    const sentAt = systemClock.now();
    const value = await this.#read(send);
    this.#writtenAt = Math.max(this.#writtenAt, sentAt);
    return value;
  }

  #read<T>(send: (connection: Connection) => Promise<T>): Promise<T> {
    if (this.#connection === null) return Promise.reject(new ConnectionLostError('there is no connection', { isSent: false }));
    return send(this.#connection);
  }

  /** Connects again and again, for as long as somebody waits or there is a session to keep. Never rejects. */
  async #run(): Promise<void> {
    this.#isRunning = true;
    for (let failures = 0; !this.#isClosed && (this.#waiting.size > 0 || this.#identity !== null); ) {
      const error = await this.#live();
      if (this.#isClosed) break;
      const wasReady = this.#isReady;
      this.#isReady = false;
      this.#connection = null;
      if (error instanceof SessionExpiredError) {
        this.#lose();
        continue;
      }
      failures = wasReady ? 0 : failures + 1;
      const failure = unavailable(error) as LockUnavailableError;
      this.#failure = failure;
      if (!failure.retryable) {
        this.#refuse(failure);
        break;
      }
      this.#watchOver();
      // All servers once without a pause.
      if (failures >= this.#servers.length) await this.#pause(Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(failures, 10)));
    }
    this.#isRunning = false;
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
    const startedAt = systemClock.now();
    let handshake: { cancel(): void } | null = null;
    const error = await new Promise<unknown>((resolve) => {
      const connection = new Connection(driver, server, this.#settings, this.#identity, {
        onEnd: resolve,
        onOpen: () => {
          handshake?.cancel();
          void this.#settle(connection, startedAt).then((isSettled) => {
            if (isSettled) this.#closeAbandoned(driver, server);
          });
        },
      });
      handshake = systemClock.setTimer(this.#handshakeMs(), () => connection.drop('the server did not answer the handshake'));
      this.#latest = connection;
    });
    (handshake as { cancel(): void } | null)?.cancel();
    return error;
  }

  /** The server knows us: writes once, lets the listener look at what it has, and lets everybody in. Never rejects. */
  async #settle(connection: Connection, startedAt: number): Promise<boolean> {
    const { id } = connection.identity;
    const isNew = this.#identity === null || !this.#identity.id.equals(id);
    // A session is made by a write, too.
    if (isNew) this.#writtenAt = startedAt;
    this.#identity = connection.identity;
    this.#id = id.readBigUInt64BE();
    this.#timeoutMs = connection.timeoutMs;
    this.#connection = connection;
    this.#checkedAt = systemClock.now();
    this.#watchOver();
    try {
      if (isNew) await this.#makeOwnNode();
      else await this.#beatNow();
      await this.#listener.onConnected(isNew);
    } catch (error) {
      const failure = unavailable(error) as LockUnavailableError;
      if (!failure.retryable) this.#refuse(failure);
      connection.drop(failure.message);
      return false;
    }
    if (this.#connection !== connection || this.#isClosed) return false;
    this.#isReady = true;
    this.#failure = null;
    for (const waiting of this.#waiting) waiting.resolve();
    this.#waiting.clear();
    return true;
  }

  #refuse(failure: LockUnavailableError): void {
    for (const waiting of this.#waiting) waiting.reject(failure);
    this.#waiting.clear();
  }

  #lose(): void {
    if (this.#identity === null) return;
    this.#identity = null;
    this.#id = 0n;
    this.#isReady = false;
    this.#writtenAt = Number.NEGATIVE_INFINITY;
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
      const timer = systemClock.setTimer(MOST_HANDSHAKE_MS, () => connection.drop('the server did not answer the handshake'));
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
    this.#timer = systemClock.setTimer(everyMs, () => {
      this.#check(everyMs);
      this.#watchOver();
    });
  }

  #check(everyMs: number): void {
    const now = systemClock.now();
    // A process that stood still finds the answers behind its timers: they are not late.
    const stoodStill = now - this.#checkedAt > 2 * everyMs;
    this.#checkedAt = now;
    if (now - this.#writtenAt >= this.believedMs) {
      this.#giveUp();
      return;
    }
    const connection = this.#connection;
    if (connection === null || stoodStill) return;
    // A fifth without a write, a fifth without an answer, a fifteenth each until it is noticed: less than the two thirds, so
    // that there is time to find another server. And the leader, who may count from the contact before the last, counts from
    // late enough.
    if (connection.silentMs(now) >= Math.min(this.#timeoutMs / 5, MOST_SILENT_MS)) connection.drop('the server fell silent');
    else if (this.#isReady && now - this.#writtenAt >= this.#timeoutMs / 5) this.beat().catch(() => {});
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const end = (): void => {
        timer.cancel();
        this.#endPause = null;
        resolve();
      };
      const timer = systemClock.setTimer(ms * (1 - systemClock.random() / 3), end);
      this.#endPause = end;
    });
  }
}
