import type { Clock } from '@holdfast/core';
import { type AclEntry, type CreatedNode, CreateRequest, encodeAcl, type NodeMode, type NodeStat, readCreated } from './create-request.js';
import { FrameReader, readReplyHeader } from './frame-reader.js';
import { type Watcher, WatchTable } from './watch-table.js';
import type { Driver, DriverClient, DriverStat } from './zookeeper-client.js';
import {
  ConnectionLostError,
  demandsAuth,
  isCode,
  isOfTheConnection,
  RefusalError,
  SessionExpiredError,
  unavailable,
} from './zookeeper-error.js';

export interface HostAndPort {
  readonly host: string;
  readonly port: number;
}

export interface ConnectionSettings {
  /** Asked of the server, which may give less or more. */
  readonly timeoutMs: number;
  readonly auth: { readonly scheme: string; readonly credentials: string } | null;
  readonly acl: readonly AclEntry[];
  readonly clock: Clock;
}

/** By which a session is known on the next connection. */
export interface SessionIdentity {
  readonly id: Buffer;
  readonly password: Buffer;
}

export interface ConnectionEvents {
  /** The server has answered the handshake. */
  readonly onOpen: () => void;
  /** Once, whether it was open or not. */
  readonly onEnd: (error: unknown) => void;
}

export interface NodeRecord {
  readonly data: Buffer;
  readonly stat: NodeStat;
}

type Done<T> = (error: unknown, value?: T) => void;

// States of the client's connection manager.
const DISCONNECTED = 0;
const CONNECTING = 1;
const CONNECTED = 2;
const EXPIRED = -3;

// What answers to no request: the number of an answer to authentication.
const XID_AUTH = -4;

const CLOSE_MS = 1000;
const CLOSED = 'the backend was closed';

interface PendingRequest {
  readonly sentAt: number;
  reject(error: unknown): void;
}

/**
 * One TCP connection: one client object of node-zookeeper-client, thrown away with it. All that is known of that client is
 * in this file, and so are the cures. It would make the next connection by itself, and then take the rest of a cut frame
 * for the beginning of a new one, forget what is queued, and watch what nobody asks for; it throws into the event loop on
 * what it cannot read, which every code is that it has no name for; it never forgets a watcher; it never gives a request up;
 * and it keeps a process alive. So refusals are read here, and watchers are kept in a table of ours.
 */
export class Connection {
  readonly #client: DriverClient;
  readonly #clock: Clock;
  readonly #frames = new FrameReader();
  readonly #watches = new WatchTable();
  readonly #acl: Buffer;
  readonly #pending = new Set<PendingRequest>();
  readonly #onEnd: (error: unknown) => void;
  #reason = 'the connection was lost';
  #isOpen = false;
  #isGathering = false;
  #hasEnded = false;

  constructor(
    driver: Driver,
    server: HostAndPort,
    settings: ConnectionSettings,
    identity: SessionIdentity | null,
    events: ConnectionEvents,
  ) {
    this.#onEnd = events.onEnd;
    this.#clock = settings.clock;
    this.#acl = encodeAcl(settings.acl);
    this.#client = driver.createClient(`${server.host}:${server.port}`, {
      sessionTimeout: settings.timeoutMs,
      retries: 0,
      sessionId: identity?.id,
      sessionPassword: identity?.password,
    });
    const manager = this.#client.connectionManager;
    // The client takes a connection string apart at its colons; an IPv6 address has some of its own.
    manager.servers = [server];
    // Before there is a connection, so that it goes out in front of every request.
    if (settings.auth !== null) this.#client.addAuthInfo(settings.auth.scheme, Buffer.from(settings.auth.credentials, 'utf8'));
    manager.watcherManager = this.#watches;
    const read = manager.onSocketData.bind(manager);
    manager.onSocketData = (chunk) => {
      try {
        for (const frame of this.#frames.read(chunk)) if (!this.#hasEnded && !this.#takes(frame)) read(frame);
      } catch {
        this.drop('the server sent what the client cannot read');
      }
    };
    manager.on('state', (state) => {
      if (state === CONNECTED) {
        this.#isOpen = true;
        events.onOpen();
      } else if (state === EXPIRED) this.#end(new SessionExpiredError());
      else if (state === DISCONNECTED) this.#end(new ConnectionLostError(this.#reason));
    });
    this.#client.connect();
    manager.connect = () => {};
    // The socket is there from the next tick on; the client hides its errors.
    process.nextTick(() => {
      manager.connectTimeoutHandler?.unref();
      manager.socket?.unref();
      manager.socket?.once('error', (error: Error & { code?: unknown }) => {
        if (typeof error.code === 'string') this.#reason = `the connection failed (${error.code})`;
      });
    });
  }

  get identity(): SessionIdentity {
    return { id: this.#client.getSessionId(), password: this.#client.getSessionPassword() };
  }

  /** What was negotiated. */
  get timeoutMs(): number {
    return this.#client.getSessionTimeout();
  }

  /** For how long the oldest request has been waiting for its answer. */
  silentMs(now: number): number {
    const [oldest] = this.#pending;
    return oldest === undefined ? 0 : now - oldest.sentAt;
  }

  create(path: string, data: Buffer, mode: NodeMode): Promise<CreatedNode> {
    return this.#ask((client, done: Done<CreatedNode>) => {
      client.connectionManager.queue(new CreateRequest(path, data, this.#acl, mode), done);
    });
  }

  remove(path: string, version: number): Promise<void> {
    return this.#ask((client, done) => client.remove(path, version, done));
  }

  async setData(path: string, data: Buffer, version: number): Promise<NodeStat> {
    return readStat(await this.#ask<DriverStat>((client, done) => client.setData(path, data, version, done)));
  }

  /** @param watcher notified once, when the data change or the node is removed; never when the connection ends before */
  getData(path: string, watcher?: Watcher): Promise<NodeRecord> {
    return this.#ask((client, done: Done<NodeRecord>) =>
      client.getData(path, watcher, (error, data, stat) =>
        error ? done(error) : done(null, { data: data ?? Buffer.alloc(0), stat: readStat(stat) }),
      ),
    );
  }

  /** @param watchers notified once, when a child comes or goes; never when the connection ends before */
  getChildren(path: string, watchers: readonly Watcher[] = []): Promise<readonly string[]> {
    const [first, ...others] = watchers;
    return this.#ask((client, done: Done<readonly string[]>) =>
      client.getChildren(path, first, (error, names) => {
        // With the first, whom the client has entered: before anything that comes behind the answer.
        if (!error) for (const watcher of others) this.#watches.registerChildWatcher(path, watcher);
        done(error, names);
      }),
    );
  }

  /** How many watchers are kept. */
  get watchers(): number {
    return this.#watches.size;
  }

  /** Ends the connection, not the session. */
  drop(reason: string): void {
    this.#reason = reason;
    this.#end(new ConnectionLostError(reason));
  }

  /**
   * Ends the session and with it the connection; the server is given a moment to say so.
   *
   * @param error why, for `onEnd`
   */
  close(error: unknown = new ConnectionLostError(CLOSED)): Promise<void> {
    const { socket } = this.#client.connectionManager;
    this.#reason = CLOSED;
    if (!this.#isOpen || this.#hasEnded || socket === undefined) {
      this.#end(error);
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const end = (): void => {
        timer.cancel();
        this.#end(error);
        resolve();
      };
      const timer = this.#clock.setTimer(CLOSE_MS, end);
      // The client's own listener ends the connection as one that was lost.
      socket.prependOnceListener('close', end);
      this.#client.close();
    });
  }

  /** Every request settles: with its answer, or when the connection ends. */
  #ask<T>(send: (client: DriverClient, done: Done<T>) => void): Promise<T> {
    if (this.#hasEnded) return Promise.reject(new ConnectionLostError(this.#reason, { isSent: false }));
    return new Promise<T>((resolve, reject) => {
      const request: PendingRequest = { sentAt: this.#clock.now(), reject };
      this.#pending.add(request);
      this.#gather();
      send(this.#client, (error, value) => {
        if (!this.#pending.delete(request)) return;
        if (error === null || error === undefined) resolve(value as T);
        else if (isCode(error, 'CONNECTION_LOSS')) reject(new ConnectionLostError(this.#reason));
        else reject(error instanceof Error ? error : new Error('the client failed'));
      });
    });
  }

  /**
   * Takes what the client cannot read: the answer to a request of ours; and every refusal, for the client throws on codes that are younger than
   * itself, and would lose the connection with all other requests on it.
   *
   * @returns whether the frame was taken
   * @throws RangeError for a frame that is too short
   */
  #takes(frame: Buffer): boolean {
    const { state, pendingQueue } = this.#client.connectionManager;
    if (state === CONNECTING) return false;
    const { xid, code } = readReplyHeader(frame);
    if (xid < 0 && xid !== XID_AUTH) return false;
    if (code === 0) {
      const [packet] = pendingQueue;
      if (!(packet?.request instanceof CreateRequest) || packet.request.header.xid !== xid) return false;
      const created = readCreated(frame);
      pendingQueue.shift();
      packet.callback(null, created);
      return true;
    }
    if (demandsAuth(code) || xid === XID_AUTH) this.#end(unavailable({ code }));
    // The leader has ended the session, and this server is about to learn it; or another connection has taken it over.
    else if (isOfTheConnection(code)) this.drop('the server does not know the session any more');
    else {
      const packet = pendingQueue.shift();
      if (packet?.request.header?.xid === xid) packet.callback(new RefusalError(code));
      else this.drop('the server answered what was not asked');
    }
    return true;
  }

  /** The client writes each request by itself; those of one tick go out in one packet. */
  #gather(): void {
    const { socket } = this.#client.connectionManager;
    if (this.#isGathering || socket === undefined) return;
    this.#isGathering = true;
    socket.cork();
    process.nextTick(() => {
      this.#isGathering = false;
      socket.uncork();
    });
  }

  #end(error: unknown): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    const { connectionManager } = this.#client;
    const abandon = (): void => {
      // The client's own timer.
      connectionManager.connectTimeoutHandler?.close();
      connectionManager.socket?.destroy();
    };
    abandon();
    // In the first tick there is no socket yet, and no timer.
    process.nextTick(abandon);
    this.#watches.clear();
    for (const request of this.#pending) request.reject(new ConnectionLostError(this.#reason));
    this.#pending.clear();
    this.#onEnd(error);
  }
}

function readStat(stat: DriverStat): NodeStat {
  return {
    czxid: stat.czxid.readBigUInt64BE(),
    createdAtMs: Number(stat.ctime.readBigInt64BE()),
    modifiedAtMs: Number(stat.mtime.readBigInt64BE()),
    version: stat.version,
    ephemeralOwner: stat.ephemeralOwner.readBigUInt64BE(),
  };
}
