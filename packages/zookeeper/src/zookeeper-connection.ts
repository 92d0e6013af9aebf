import { systemClock } from '@holdfast/core';
import type { Driver, DriverClient, DriverStat } from './zookeeper-client.js';
import { authFailedError, ConnectionLostError, isCode, SessionExpiredError } from './zookeeper-error.js';

export interface HostAndPort {
  readonly host: string;
  readonly port: number;
}

/** An entry of an access list; permissions are a sum of 1 read, 2 write, 4 create, 8 delete, 16 administer. */
export interface AclEntry {
  readonly permissions: number;
  readonly scheme: string;
  readonly id: string;
}

export interface ConnectionSettings {
  /** Asked of the server, which may give less or more. */
  readonly timeoutMs: number;
  readonly auth: { readonly scheme: string; readonly credentials: string } | null;
  readonly acl: readonly AclEntry[];
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

export interface NodeStat {
  /** The zxid of the transaction that made the node. */
  readonly czxid: bigint;
  /** When its data was last written, by the clock of the leader. */
  readonly modifiedAtMs: number;
  readonly version: number;
  /** The session whose end removes it; 0 for a node that stays. */
  readonly ephemeralOwner: bigint;
}

export type NodeMode = 'persistent' | 'ephemeral' | 'ephemeral-sequential';
export type NodeChange = 'removed' | 'changed';

type Done<T> = (error: unknown, value?: T) => void;

const MODES = { persistent: 0, ephemeral: 1, 'ephemeral-sequential': 3 } as const;
// States of the client's connection manager, and the type of its event for a removed node.
const DISCONNECTED = 0;
const CONNECTED = 2;
const EXPIRED = -3;
const AUTH_FAILED = -4;
const NODE_REMOVED = 2;

const CLOSE_MS = 1000;

interface PendingRequest {
  readonly sentAt: number;
  reject(error: unknown): void;
}

/**
 * One TCP connection: one client object of node-zookeeper-client, thrown away with it. All that is known of that client is
 * in this file, and so are the cures. It would make the next connection by itself, and then take the rest of a cut frame
 * for the beginning of a new one, forget what is queued, and watch what nobody asks for; it throws into the event loop on
 * what it cannot read; it never gives a request up; and it keeps a process alive.
 */
export class Connection {
  readonly #client: DriverClient;
  readonly #acl: readonly object[];
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
    this.#acl = settings.acl.map(({ permissions, scheme, id }) => new driver.ACL(permissions, new driver.Id(scheme, id)));
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
    const read = manager.onSocketData.bind(manager);
    manager.onSocketData = (chunk) => {
      try {
        if (!this.#hasEnded) read(chunk);
      } catch {
        // A frame or an error code that the client does not know.
        this.drop('the server sent what the client cannot read');
      }
    };
    manager.on('state', (state) => {
      if (state === CONNECTED) {
        this.#isOpen = true;
        events.onOpen();
      } else if (state === EXPIRED) this.#end(new SessionExpiredError());
      else if (state === AUTH_FAILED) this.#end(authFailedError());
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

  create(path: string, data: Buffer, mode: NodeMode): Promise<string> {
    return this.#ask((client, done) => client.create(path, data, this.#acl, MODES[mode], done));
  }

  remove(path: string, version: number): Promise<void> {
    return this.#ask((client, done) => client.remove(path, version, done));
  }

  async setData(path: string, data: Buffer, version: number): Promise<NodeStat> {
    return readStat(await this.#ask<DriverStat>((client, done) => client.setData(path, data, version, done)));
  }

  getData(path: string, onChange?: (change: NodeChange) => void): Promise<{ readonly data: Buffer; readonly stat: NodeStat }> {
    return this.#ask((client, done: Done<{ data: Buffer; stat: NodeStat }>) =>
      client.getData(path, watcher(onChange), (error, data, stat) =>
        error ? done(error) : done(null, { data: data ?? Buffer.alloc(0), stat: readStat(stat) }),
      ),
    );
  }

  getChildren(path: string, onChange?: () => void): Promise<readonly string[]> {
    return this.#ask((client, done) => client.getChildren(path, watcher(onChange), done));
  }

  /** Ends the connection, not the session. */
  drop(reason: string): void {
    this.#reason = reason;
    this.#end(new ConnectionLostError(reason));
  }

  /** Ends the session and with it the connection; the server is given a moment to say so. */
  close(): Promise<void> {
    const { socket } = this.#client.connectionManager;
    if (!this.#isOpen || this.#hasEnded || socket === undefined) {
      this.drop('the backend was closed');
      return Promise.resolve();
    }
    return new Promise((resolve) => {
      const timer = systemClock.setTimer(CLOSE_MS, () => this.drop('the backend was closed'));
      socket.once('close', () => {
        timer.cancel();
        this.drop('the backend was closed');
        resolve();
      });
      this.#client.close();
    });
  }

  /** Every request settles: with its answer, or when the connection ends. */
  #ask<T>(send: (client: DriverClient, done: Done<T>) => void): Promise<T> {
    if (this.#hasEnded) return Promise.reject(new ConnectionLostError(this.#reason, { isSent: false }));
    return new Promise<T>((resolve, reject) => {
      const request: PendingRequest = { sentAt: systemClock.now(), reject };
      this.#pending.add(request);
      this.#gather();
      send(this.#client, (error, value) => {
        if (!this.#pending.delete(request)) return;
        if (error === null || error === undefined) resolve(value as T);
        else if (isCode(error, 'SESSION_EXPIRED')) {
          // The leader has ended the session, and this server is about to learn it.
          this.drop('the server does not know the session any more');
          reject(new ConnectionLostError(this.#reason));
        } else if (isCode(error, 'CONNECTION_LOSS')) reject(new ConnectionLostError(this.#reason));
        else reject(error instanceof Error ? error : new Error('the client failed'));
      });
    });
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
    if (connectionManager.connectTimeoutHandler !== null) clearTimeout(connectionManager.connectTimeoutHandler);
    connectionManager.socket?.destroy();
    // In the first tick there is no socket yet, and no timer.
    process.nextTick(() => {
      connectionManager.socket?.destroy();
      if (connectionManager.connectTimeoutHandler !== null) clearTimeout(connectionManager.connectTimeoutHandler);
    });
    for (const request of this.#pending) request.reject(new ConnectionLostError(this.#reason));
    this.#pending.clear();
    this.#onEnd(error);
  }
}

function watcher(onChange: ((change: NodeChange) => void) | undefined): ((event: { readonly type: number }) => void) | undefined {
  return onChange && (({ type }) => onChange(type === NODE_REMOVED ? 'removed' : 'changed'));
}

function readStat(stat: DriverStat): NodeStat {
  return {
    czxid: stat.czxid.readBigUInt64BE(),
    modifiedAtMs: Number(stat.mtime.readBigInt64BE()),
    version: stat.version,
    ephemeralOwner: stat.ephemeralOwner.readBigUInt64BE(),
  };
}
