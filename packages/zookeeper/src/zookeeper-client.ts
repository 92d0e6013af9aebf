import type { Socket } from 'node:net';

/** A node's record, as the client reads it: numbers of 64 bits are eight bytes, big end first. */
export interface DriverStat {
  readonly czxid: Buffer;
  readonly ctime: Buffer;
  readonly mtime: Buffer;
  readonly version: number;
  readonly ephemeralOwner: Buffer;
}

/** What a watch tells. */
export interface DriverEvent {
  readonly type: number;
  readonly path: string;
}

type Watcher = (event: DriverEvent) => void;

/** Where the client keeps who watches what. */
export interface DriverWatcherManager {
  registerDataWatcher(path: string, watcher: Watcher): void;
  registerChildWatcher(path: string, watcher: Watcher): void;
  emit(event: DriverEvent): void;
  isEmpty(): boolean;
}

/** A request that waits for its answer: the first is answered next. */
export interface DriverPacket {
  readonly request: { readonly header: { readonly xid: number } | null };
  readonly callback: (error: unknown, value?: unknown) => void;
}

/**
 * The part of the client that owns the socket. It is reached because nothing else tells of a failed connection, lets a
 * process end, or stops a reconnect.
 */
export interface DriverConnectionManager {
  state: number;
  servers: readonly { readonly host: string; readonly port: number }[];
  readonly socket?: Socket;
  readonly connectTimeoutHandler: NodeJS.Timeout | null;
  readonly pendingQueue: DriverPacket[];
  watcherManager: DriverWatcherManager;
  connect(): void;
  /** Sends a request when there is a connection; `done` is called with its answer, or with why there is none. */
  queue(request: DriverPacket['request'] & { toBuffer(): Buffer }, done: Done<[value?: never]>): void;
  onSocketData(chunk: Buffer): void;
  on(event: 'state', listener: (state: number) => void): unknown;
}

type Done<Values extends readonly unknown[] = []> = (error: unknown, ...values: Values) => void;
/** What is used of a client of node-zookeeper-client 1.1. */
export interface DriverClient {
  readonly connectionManager: DriverConnectionManager;
  connect(): void;
  close(): void;
  addAuthInfo(scheme: string, auth: Buffer): void;
  getSessionId(): Buffer;
  getSessionPassword(): Buffer;
  getSessionTimeout(): number;
  remove(path: string, version: number, done: Done): void;
  setData(path: string, data: Buffer, version: number, done: Done<[stat: DriverStat]>): void;
  getData(path: string, watcher: Watcher | undefined, done: Done<[data: Buffer | undefined, stat: DriverStat]>): void;
  getChildren(path: string, watcher: Watcher | undefined, done: Done<[names: readonly string[]]>): void;
}

/** What is used of the module node-zookeeper-client. */
export interface Driver {
  createClient(
    connectionString: string,
    options: {
      readonly sessionTimeout: number;
      readonly retries: 0;
      readonly sessionId?: Buffer | undefined;
      readonly sessionPassword?: Buffer | undefined;
    },
  ): DriverClient;
}
