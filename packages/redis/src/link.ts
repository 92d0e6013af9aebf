import { systemClock } from '@holdfast/core';
import { refuseEviction } from './eviction-policy.js';
import type { DriverClient } from './redis-client.js';
import { saysWhy, unavailable } from './redis-error.js';

/** The way to the server that commands take. */
export interface Link {
  /** The client to send on now; null when `open` has to be awaited first. */
  readonly current: DriverClient | null;
  /** Makes first contact, or renews it. @throws LockUnavailableError within `timeoutMs` */
  open(timeoutMs: number): Promise<DriverClient>;
  /** A command to this slot was not answered in time: gives the connection up, if it is ours. */
  giveUp(client: DriverClient, slot: number | null): void;
  close(): void;
}

/**
 * What every connection of our own has in common.
 *
 * A command must not be sent again by the driver, or it may come after the release that was meant to undo it. Nor must
 * it wait in the driver for a connection: it is stamped. The driver never reconnects by itself, because its timers
 * would keep the process alive; the next command makes a new connection instead.
 */
export const OWN_CONNECTION = {
  autoResendUnfulfilledCommands: false,
  autoResubscribe: false,
  enableOfflineQueue: false,
  enableReadyCheck: false,
  enableAutoPipelining: false,
  disableClientInfo: true,
  lazyConnect: false,
  maxRetriesPerRequest: 1,
  keyPrefix: '',
  monitor: false,
  readOnly: false,
  commandTimeout: undefined,
  socketTimeout: undefined,
  scripts: undefined,
  stringNumbers: false,
  retryStrategy: () => null,
  sentinelRetryStrategy: () => null,
  reconnectOnError: null,
};

/** The client of the user: used as it is, never closed. */
export class BorrowedLink implements Link {
  readonly #client: DriverClient;
  readonly #allowEviction: boolean;
  #isChecked = false;
  #checking: Promise<void> | null = null;

  constructor(client: DriverClient, allowEviction: boolean) {
    this.#client = client;
    this.#allowEviction = allowEviction;
  }

  get current(): DriverClient | null {
    return this.#isChecked ? this.#client : null;
  }

  async open(timeoutMs: number): Promise<DriverClient> {
    if (!this.#isChecked && !this.#allowEviction) {
      // One question at a time: an offline queue would collect them.
      this.#checking ??= refuseEviction(this.#client).finally(() => {
        this.#checking = null;
      });
      await within(timeoutMs, this.#checking);
    }
    this.#isChecked = true;
    return this.#client;
  }

  giveUp(): void {}

  close(): void {}
}

/** Steps of an owned link that differ by what it is for. */
export interface OwnedLinkSteps {
  /** Makes a client that begins to connect by itself. */
  readonly make: () => Promise<DriverClient> | DriverClient;
  /** What has to be done before it is of use. */
  readonly prepare: (client: DriverClient) => Promise<unknown>;
  /** It had been open, and ended without our doing. */
  readonly onLost?: () => void;
}

/** A connection of our own: made when it is needed, a new one for each time that it breaks. */
export class OwnedLink implements Link {
  readonly #steps: OwnedLinkSteps;
  #client: DriverClient | null = null;
  #opening: Promise<DriverClient> | null = null;
  #unready: DriverClient | null = null;
  #isClosed = false;

  constructor(steps: OwnedLinkSteps) {
    this.#steps = steps;
  }

  get current(): DriverClient | null {
    return this.#client !== null && this.#client.status === 'ready' ? this.#client : null;
  }

  open(timeoutMs: number): Promise<DriverClient> {
    const { current } = this;
    if (current !== null) return Promise.resolve(current);
    this.#opening ??= this.#open(timeoutMs).finally(() => {
      this.#opening = null;
    });
    return this.#opening;
  }

  giveUp(client: DriverClient, slot: number | null): void {
    if (client.isCluster && slot !== null) {
      const key = client.slots?.[slot]?.[0];
      const node = client.nodes?.('all').find(({ options }) => `${options?.host}:${options?.port}` === key);
      // The others of the cluster may be well.
      if (node !== undefined) return destroy(node);
    }
    if (client === this.#client) this.#lose(client);
    destroy(client);
  }

  close(): void {
    this.#isClosed = true;
    for (const client of [this.#client, this.#unready]) if (client !== null) destroy(client);
    this.#client = null;
  }

  async #open(timeoutMs: number): Promise<DriverClient> {
    if (this.#isClosed) throw new Error('Connection is closed.');
    const client = await this.#steps.make();
    this.#unready = client;
    let failure: unknown;
    const note = (error: unknown): void => {
      // A cluster client goes on to say that the connection is closed, after it said why.
      if (!saysWhy(failure)) failure = error;
    };
    // Stays for as long as the client lives: an error event without a listener ends the process.
    client.on('error', note);
    client.on('node error', note);
    client.on('+node', unrefWhenConnected);
    for (const node of [client, ...(client.isCluster ? (client.nodes?.('all') ?? []) : [])]) unrefWhenConnected(node);
    client.on('end', () => this.#lose(client));
    try {
      await within(timeoutMs, ready(client));
      // A cluster client holds a subscriber of its own ready, which nobody uses here.
      client.subscriber?.stop?.();
      failure = undefined;
      await within(timeoutMs, this.#steps.prepare(client));
      // A refused password or database is told by an event, and the connection goes on with another.
      if (failure !== undefined && !client.isCluster) throw unavailable(failure);
      if (this.#isClosed) throw new Error('Connection is closed.');
    } catch (error) {
      destroy(client);
      throw unavailable(failure ?? error);
    } finally {
      this.#unready = null;
    }
    this.#client = client;
    return client;
  }

  #lose(client: DriverClient): void {
    if (client !== this.#client) return;
    this.#client = null;
    if (!this.#isClosed) this.#steps.onLost?.();
  }
}

function ready(client: DriverClient): Promise<void> {
  if (client.status === 'ready') return Promise.resolve();
  return new Promise((resolve, reject) => {
    client.once('ready', () => resolve());
    client.once('end', () => reject(new Error('Connection is closed.')));
  });
}

/** An idle connection does not keep the process alive; a pending call does, by a timer of the manager. */
function unrefWhenConnected(client: DriverClient): void {
  client.on('connect', () => client.stream?.unref?.());
  if (client.status === 'connect' || client.status === 'ready') client.stream?.unref?.();
}

/** Ends a connection now. The driver alone would wait for a silent server to answer the end with its own. */
function destroy(client: DriverClient): void {
  const nodes = client.isCluster ? (client.nodes?.('all') ?? []) : [client];
  client.disconnect();
  for (const node of nodes) {
    if (node !== client) node.disconnect();
    node.stream?.destroy?.();
  }
}

/** The promise's outcome, or a rejection when it takes too long: some promises of drivers never settle. */
export function within<T>(timeoutMs: number, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = systemClock.setTimer(timeoutMs, () => reject(new Error(`timed out after ${timeoutMs} ms`)));
    promise.then(
      (value) => {
        timer.cancel();
        resolve(value);
      },
      (error: unknown) => {
        timer.cancel();
        reject(error);
      },
    );
  });
}
