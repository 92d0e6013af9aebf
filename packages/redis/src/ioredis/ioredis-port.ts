import { ConnectionFault } from '@holdfast/core/backend';
import { ChannelEars } from '../channel-ears.js';
import { noMasterKnown } from '../driver-faults.js';
import { watchLosses } from '../loss-watch.js';
import { isNoScript, saysWhy } from '../redis-error.js';
import type { RedisAddress, RedisPort, RedisScript } from '../redis-port.js';
import { hearAsking } from './asking.js';
import type { ClientStream, IoredisDriverClient } from './ioredis-client.js';
import { OWN_CONNECTION, rawSocketOf } from './own-connection.js';

/** A client of ioredis or iovalkey: a `Redis` or a `Cluster`. */
export class IoredisPort implements RedisPort {
  readonly driver: string;
  readonly isCluster: boolean;
  readonly followsMaster: boolean;
  readonly keyPrefix: string;
  readonly client: IoredisDriverClient;
  failure: unknown;
  readonly #isOurs: boolean;
  /**
   * Up to its version 5.10 ioredis takes the script for the key when it puts a Cluster's commands into one pipeline by itself, and sends those
   * of several slots to one node. A pipeline for each command it sends where the keys lie.
   */
  readonly #goesAlone: boolean;
  readonly #ended = new WeakSet<IoredisDriverClient>();
  #isEnded = false;
  readonly #ears: ChannelEars;

  /** @param isOurs a client that we have made: kept from ending the process, and from keeping the process alive */
  constructor(client: IoredisDriverClient, isOurs: boolean, driver = 'ioredis') {
    this.driver = driver;
    this.client = client;
    this.isCluster = client.isCluster;
    this.followsMaster = Array.isArray(client.options?.sentinels);
    this.keyPrefix = client.options?.keyPrefix ?? '';
    this.#isOurs = isOurs;
    this.#goesAlone = client.isCluster && client.options?.enableAutoPipelining === true && client.pipeline !== undefined;
    this.#ears = new ChannelEars({
      begin: (hear) => {
        client.on('message', hear);
        return () => client.off('message', hear);
      },
      subscribe: (channel) => client.subscribe(channel),
      unsubscribe: (channel) => (this.isReady ? client.unsubscribe?.(channel) : undefined),
    });
    if (isOurs) this.#adopt();
  }

  get isReady(): boolean {
    return !this.#isEnded && this.client.status === 'ready';
  }

  get address(): RedisAddress | null {
    const { host, port } = this.client.options ?? {};
    return host === undefined || port === undefined ? null : { host, port };
  }

  async ready(): Promise<void> {
    const { client } = this;
    if (client.status !== 'ready') {
      await new Promise<void>((resolve, reject) => {
        client.once('ready', () => resolve());
        client.once('end', () => reject(new ConnectionFault('closed')));
      });
    }
    // A cluster client holds a subscriber of its own ready, which nobody uses here.
    client.subscriber?.stop?.();
    this.failure = undefined;
  }

  run({ sha, source }: RedisScript, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    const { client } = this;
    const reply = this.#goesAlone ? this.#alone('evalsha', sha, keys, args) : client.evalsha(sha, keys.length, ...keys, ...args);
    return reply.then(undefined, (error: unknown) => {
      if (!isNoScript(error)) throw error;
      // It has not run, so it may be sent again; only this time does the whole text travel.
      return this.#goesAlone ? this.#alone('eval', source, keys, args) : client.eval(source, keys.length, ...keys, ...args);
    });
  }

  async #alone(command: 'eval' | 'evalsha', script: string, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    const replies = await this.client.pipeline?.([[command, script, keys.length, ...keys, ...args]]).exec();
    const [error, reply] = replies?.[0] ?? [new ConnectionFault('closed'), null];
    if (error !== null) throw error;
    return reply;
  }

  call(command: string, ...words: readonly string[]): Promise<unknown> {
    return this.client.call(command, ...words);
  }

  gather(): () => void {
    const nodes = this.isCluster ? (this.client.nodes?.('master') ?? []) : [this.client];
    const streams: ClientStream[] = [];
    for (const { stream } of nodes) if (stream !== undefined && stream !== null) streams.push(stream);
    for (const stream of streams) stream.cork?.();
    return () => {
      for (const stream of streams) stream.uncork?.();
    };
  }

  listen(channel: string, onMessage: (text: string) => void): Promise<() => void> {
    return this.#ears.listen(channel, onMessage);
  }

  onLost(listener: () => void): () => void {
    const { client } = this;
    // One of ours does not come back.
    const event = this.#isOurs ? 'end' : this.isCluster ? '-node' : 'close';
    const begin = (onLoss: () => void): (() => void) => {
      client.on(event, onLoss);
      return () => client.off(event, onLoss);
    };
    return watchLosses(client, begin, listener);
  }

  another(slot: number | null): RedisPort {
    const node = this.isCluster ? this.#masterOf(slot) : this.client;
    return new IoredisPort(node.duplicate(OWN_CONNECTION), true, this.driver);
  }

  masters(): readonly RedisPort[] {
    return (this.client.nodes?.('master') ?? []).map((node) => new IoredisPort(node, false, this.driver));
  }

  nodeOf(slot: number): string {
    return this.client.slots?.[slot]?.[0] ?? '';
  }

  end(slot: number | null = null): void {
    if (this.isCluster && slot !== null) {
      const node = this.client.nodes?.('all').find((each) => addressOf(each) === this.nodeOf(slot));
      // The others of the cluster may be well.
      if (node !== undefined) return this.#end([node], reset);
    }
    this.#endAll(reset);
  }

  close(): void {
    this.#endAll((client) => client.stream?.destroy?.());
  }

  #masterOf(slot: number | null): IoredisDriverClient {
    const masters = this.client.nodes?.('master') ?? [];
    const node = masters.find((each) => slot !== null && addressOf(each) === this.nodeOf(slot)) ?? masters[0];
    if (node === undefined) throw noMasterKnown(this.driver);
    return node;
  }

  /** An error event without a listener would end the process: it has one for as long as the client lives. */
  #adopt(): void {
    const { client } = this;
    const note = (error: unknown): void => {
      // A cluster client goes on to say that the connection is closed, after it said why.
      if (!saysWhy(this.failure)) this.failure = error;
    };
    client.on('error', note);
    client.on('node error', note);
    client.on('+node', adoptNode);
    for (const node of [client, ...this.#nodes]) adoptNode(node);
  }

  get #nodes(): readonly IoredisDriverClient[] {
    return this.isCluster ? (this.client.nodes?.('all') ?? []) : [];
  }

  #endAll(how: (client: IoredisDriverClient) => void): void {
    this.#end([this.client, ...this.#nodes], how);
  }

  /** The driver alone would wait for a silent server to answer the end with its own. */
  #end(clients: readonly IoredisDriverClient[], how: (client: IoredisDriverClient) => void): void {
    for (const client of clients) {
      if (this.#ended.has(client)) continue;
      this.#ended.add(client);
      if (client === this.client) this.#isEnded = true;
      how(client);
      client.disconnect();
    }
  }
}

function addressOf({ options }: IoredisDriverClient): string {
  return `${options?.host}:${options?.port}`;
}

/** The client, or a node of a cluster's client, is ours to keep from ending the process. */
function adoptNode(client: IoredisDriverClient): void {
  hearAsking(client);
  unrefWhenConnected(client);
}

/** An idle connection does not keep the process alive; a pending call does, by a timer of the manager. */
function unrefWhenConnected(client: IoredisDriverClient): void {
  client.on('connect', () => client.stream?.unref?.());
  if (client.status === 'connect' || client.status === 'ready') client.stream?.unref?.();
}

/**
 * Drops what is still in our buffers and the system's, instead of delivering it behind a release. It proves nothing: what the
 * network or a proxy has may arrive anyway. A driver's own TLS connection, and a socket of this machine, can only be ended.
 */
function reset(client: IoredisDriverClient): void {
  const { stream } = client;
  const socket = rawSocketOf(client) ?? stream;
  const isPlain = socket !== stream || (stream?.encrypted !== true && client.options?.path === undefined);
  if (isPlain && socket?.connecting === false && socket.destroyed === false) socket.resetAndDestroy?.();
  else socket?.destroy?.();
  if (stream !== socket) stream?.destroy?.();
}
