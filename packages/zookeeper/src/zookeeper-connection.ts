import type { Clock } from '@holdfast/core';
import { type AclEntry, type CreatedNode, createRequest, encodeAcl, type NodeMode, type NodeStat } from './create-request.js';
import type { OwnRequest } from './own-request.js';
import { type ClientEvents, type ClientSettings, type HostAndPort, type SessionIdentity, TamedClient } from './tamed-client.js';
import { type Step, transactionRequest } from './transaction-request.js';
import { type Watcher, WatchTable } from './watch-table.js';
import type { Driver, DriverClient, DriverStat } from './zookeeper-client.js';
import { ConnectionLostError, isCode } from './zookeeper-error.js';

export interface ConnectionSettings extends ClientSettings {
  readonly acl: readonly AclEntry[];
  readonly clock: Clock;
}

export interface NodeRecord {
  readonly data: Buffer;
  readonly stat: NodeStat;
}

type Done<T> = (error: unknown, value?: T) => void;

const CLOSE_MS = 1000;
const CLOSED = 'the backend was closed';

interface PendingRequest {
  readonly sentAt: number;
  reject(error: unknown): void;
}

/** One TCP connection: a client object that is thrown away with it. Every request on it settles: with its answer, or when the connection ends. */
export class Connection {
  readonly #client: TamedClient;
  readonly #clock: Clock;
  readonly #watches = new WatchTable();
  readonly #acl: Buffer;
  readonly #pending = new Set<PendingRequest>();
  readonly #onEnd: (error: unknown) => void;
  #isOpen = false;
  #hasEnded = false;

  /** @param events the end is reported once, whether the connection was open or not */
  constructor(
    driver: Driver,
    server: HostAndPort,
    settings: ConnectionSettings,
    identity: SessionIdentity | null,
    { onOpen, onEnd }: ClientEvents,
  ) {
    this.#onEnd = onEnd;
    this.#clock = settings.clock;
    this.#acl = encodeAcl(settings.acl);
    this.#client = new TamedClient(driver, server, settings, identity, this.#watches, {
      onOpen: () => {
        this.#isOpen = true;
        onOpen();
      },
      onEnd: (error) => this.#end(error),
    });
  }

  get identity(): SessionIdentity {
    return this.#client.identity;
  }

  /** What was negotiated. */
  get timeoutMs(): number {
    return this.#client.timeoutMs;
  }

  /** For how long the oldest request has been waiting for its answer. */
  silentMs(now: number): number {
    const [oldest] = this.#pending;
    return oldest === undefined ? 0 : now - oldest.sentAt;
  }

  create(path: string, data: Buffer, mode: NodeMode): Promise<CreatedNode> {
    return this.#askOwn(createRequest(path, data, this.#acl, mode));
  }

  /** All or nothing. */
  transact(steps: readonly Step[]): Promise<void> {
    return this.#askOwn(transactionRequest(steps, this.#acl));
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
  getChildren(path: string, watchers: readonly Watcher[]): Promise<readonly string[]> {
    const [first, ...others] = watchers;
    return this.#ask((client, done: Done<readonly string[]>) =>
      client.getChildren(path, first, (error, names) => {
        // With the first, whom the client has entered: before anything that comes behind the answer.
        if (!error) for (const watcher of others) this.#watches.registerChildWatcher(path, watcher);
        done(error, names);
      }),
    );
  }

  /** Ends the connection, not the session. */
  drop(reason: string): void {
    this.#client.reason = reason;
    this.#end(new ConnectionLostError(reason));
  }

  /**
   * Ends the session and with it the connection; the server is given a moment to say so.
   *
   * @param error why, for `onEnd`
   */
  close(error: unknown = new ConnectionLostError(CLOSED)): Promise<void> {
    this.#client.reason = CLOSED;
    return new Promise((resolve) => {
      const end = (): void => {
        timer.cancel();
        this.#end(error);
        resolve();
      };
      const timer = this.#clock.setTimer(CLOSE_MS, end);
      if (!this.#isOpen || !this.#client.endSession(end)) end();
    });
  }

  #askOwn<T>(request: OwnRequest<T>): Promise<T> {
    return this.#ask((client, done: Done<T>) => client.connectionManager.queue(request, done));
  }

  #ask<T>(send: (client: DriverClient, done: Done<T>) => void): Promise<T> {
    if (this.#hasEnded) return Promise.reject(new ConnectionLostError(this.#client.reason, { isSent: false }));
    return new Promise<T>((resolve, reject) => {
      const request: PendingRequest = { sentAt: this.#clock.now(), reject };
      this.#pending.add(request);
      send(this.#client.forRequest(), (error, value) => {
        if (!this.#pending.delete(request)) return;
        if (error === null || error === undefined) resolve(value as T);
        else if (isCode(error, 'CONNECTION_LOSS')) reject(new ConnectionLostError(this.#client.reason));
        else reject(error instanceof Error ? error : new Error('the client failed'));
      });
    });
  }

  #end(error: unknown): void {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    this.#client.abandon();
    this.#watches.clear();
    for (const request of this.#pending) request.reject(new ConnectionLostError(this.#client.reason));
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
