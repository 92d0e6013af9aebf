import { ConnectionFault } from '@holdfast/core/backend';
import { noMasterKnown } from '../driver-faults.js';
import { watchEvents } from '../loss-watch.js';
import { isNoScript, isReply } from '../redis-error.js';
import type { RedisAddress, RedisPort, RedisScript } from '../redis-port.js';
import type { NodeRedisDriverCluster, NodeRedisNode } from './node-redis-client.js';
import { COMMAND_OPTIONS, NodeRedisPort, prefixed } from './node-redis-port.js';

const LOSSES = ['node-error', 'node-reconnecting', 'node-disconnect', 'disconnect', 'error'] as const;

/**
 * A cluster's client of node-redis. One of ours never reconnects to a node, and never asks anew who has which slot because a node is gone. So a
 * node that fails retires the whole client: what is on its way to the other nodes is answered, and the next command makes a new client.
 */
export class NodeRedisClusterPort implements RedisPort {
  readonly driver = 'redis';
  readonly isCluster = true;
  readonly keyPrefix: string;
  readonly #cluster: NodeRedisDriverCluster;
  readonly #connecting: Promise<unknown> | null;
  #isConnected = false;
  #isRetired = false;
  #failure: unknown;

  constructor(cluster: NodeRedisDriverCluster, isOurs: boolean) {
    this.#cluster = cluster;
    this.keyPrefix = cluster._keyPrefix ?? '';
    this.#connecting = isOurs ? this.#connect() : null;
  }

  get isReady(): boolean {
    // The user connects a client of the user's.
    return this.#connecting === null ? this.#cluster.isOpen : this.#isConnected && !this.#isRetired;
  }

  async ready(): Promise<void> {
    try {
      await this.#connecting;
    } catch (error) {
      // Why no node could be reached an event has said.
      throw this.#failure ?? error;
    }
    if (!this.isReady) throw new ConnectionFault('closed');
  }

  run({ sha, source }: RedisScript, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    const cluster = this.#cluster;
    const named = prefixed(this.keyPrefix, keys);
    const count = String(keys.length);
    const [first] = named;
    const words = ['EVALSHA', sha, count, ...named, ...args];
    return cluster.sendCommand(first, false, words, COMMAND_OPTIONS).then(undefined, (error: unknown) => {
      if (!isNoScript(error)) {
        // Another node may have the slot by now.
        if (this.#connecting !== null && !isReply(error)) this.#retire();
        throw error;
      }
      // It has not run, so it may be sent again; only this time does the whole text travel.
      return cluster.sendCommand(first, false, ['EVAL', source, count, ...named, ...args], COMMAND_OPTIONS);
    });
  }

  async call(command: string, ...words: readonly string[]): Promise<unknown> {
    const [first] = this.#cluster.masters;
    if (first === undefined) throw noMasterKnown(this.driver);
    return await (await this.#nodePort(first)).call(command, ...words);
  }

  listen(): Promise<() => void> {
    // A client of its own, from `another`, listens.
    return Promise.reject(new ConnectionFault('closed'));
  }

  onLost(listener: () => void): () => void {
    return watchEvents(this.#cluster, LOSSES, listener);
  }

  async another(slot: number | null): Promise<RedisPort> {
    const { slots, masters } = this.#cluster;
    const node = (slot === null ? undefined : slots[slot]?.master) ?? masters[0];
    if (node === undefined) throw noMasterKnown(this.driver);
    return (await this.#nodePort(node)).another();
  }

  masters(): readonly RedisPort[] {
    return this.#cluster.masters.map((node) => new NodeOfCluster(node, () => this.#nodePort(node)));
  }

  nodeOf(slot: number): string {
    return this.#cluster.slots[slot]?.master.address ?? '';
  }

  end(slot: number | null = null): void {
    const node = slot === null ? undefined : this.#cluster.slots[slot]?.master;
    if (node?.client === undefined) {
      this.#isRetired = true;
      this.#cluster.destroy();
      return;
    }
    node.client.destroy();
    this.#retire();
  }

  async #nodePort(node: NodeRedisNode): Promise<NodeRedisPort> {
    return new NodeRedisPort(await this.#cluster.nodeClient(node), false);
  }

  #connect(): Promise<unknown> {
    const cluster = this.#cluster;
    cluster.on('error', (error: unknown) => {
      this.#failure = error;
    });
    const stood = new Set<string>();
    cluster.on('node-ready', ({ host, port }: RedisAddress) => stood.add(`${host}:${port}`));
    cluster.on('node-error', (_error: unknown, { host, port }: RedisAddress) => {
      // One that was never reached costs nothing yet: its slots may not be asked for.
      if (stood.has(`${host}:${port}`)) this.#retire();
    });
    // An idle connection does not keep the process alive; a pending call does, by a timer of the manager.
    cluster.on('node-connect', () => {
      for (const { client } of cluster.nodeByAddress.values()) client?.unref();
    });
    const connecting = cluster.connect().then(() => {
      this.#isConnected = true;
      this.#failure = undefined;
    });
    connecting.catch(() => {});
    return connecting;
  }

  /** Ends it once what is on its way is answered; a node that is silent is ended by those who wait for its answers. */
  #retire(): void {
    if (this.#isRetired) return;
    this.#isRetired = true;
    this.#cluster.close().catch(() => {});
  }
}

/** A master of a cluster, whose connection the driver makes when somebody asks. */
class NodeOfCluster implements RedisPort {
  readonly driver = 'redis';
  readonly isReady = true;
  readonly address: RedisAddress;
  readonly #open: () => Promise<RedisPort>;

  constructor({ address }: NodeRedisNode, open: () => Promise<RedisPort>) {
    const colon = address.lastIndexOf(':');
    this.address = { host: address.slice(0, colon), port: Number(address.slice(colon + 1)) };
    this.#open = open;
  }

  async ready(): Promise<void> {
    await this.#open();
  }
  async run(script: RedisScript, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    return await (await this.#open()).run(script, keys, args);
  }
  async call(command: string, ...words: readonly string[]): Promise<unknown> {
    return await (await this.#open()).call(command, ...words);
  }
  async listen(channel: string, onMessage: (text: string) => void): Promise<() => void> {
    return await (await this.#open()).listen(channel, onMessage);
  }
  onLost(): () => void {
    return () => {};
  }
  async another(): Promise<RedisPort> {
    return await (await this.#open()).another(null);
  }
  end(): void {}
}
