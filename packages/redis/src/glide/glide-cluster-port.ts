import { ConnectionFault } from '@holdfast/core/backend';
import { noMasterKnown } from '../driver-faults.js';
import { slotOf } from '../key-slot.js';
import { isMoving, isReply, replyCode } from '../redis-error.js';
import type { RedisAddress, RedisPort, RedisScript } from '../redis-port.js';
import { ClusterMap } from './cluster-map.js';
import type { GlideDriverClient, GlideFactory, GlideRoute, GlideSettings } from './glide-client.js';
import { GlideConnection } from './glide-connection.js';
import { GLIDE } from './glide-port.js';

/** A cluster's client of GLIDE. */
export class GlideClusterPort implements RedisPort {
  readonly driver = GLIDE;
  readonly isCluster = true;
  readonly #connection: GlideConnection;
  readonly #map: ClusterMap;

  constructor(connection: GlideConnection) {
    this.#connection = connection;
    this.#map = new ClusterMap(() => connection.send(['CLUSTER', 'SLOTS'], 'randomNode'));
    connection.onLost(() => this.#map.doubt());
  }

  /** The client of the user. */
  static of(client: GlideDriverClient): GlideClusterPort {
    return new GlideClusterPort(new GlideConnection(client.constructor, client.config ?? {}, client, true));
  }

  /** A client of our own, which begins to connect. */
  static open(factory: GlideFactory, settings: GlideSettings): GlideClusterPort {
    return new GlideClusterPort(new GlideConnection(factory, settings, null, true));
  }

  get isReady(): boolean {
    return this.#connection.isReady;
  }

  async ready(): Promise<void> {
    await this.#connection.ready();
    await this.#map.load();
  }

  run(script: RedisScript, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    this.#map.refresh();
    const [first] = keys;
    const node = first === undefined ? '' : this.nodeOf(slotOf(first));
    return this.#connection.run(script, keys, args, node).catch((error: unknown) => {
      // Another node may have the slot by now.
      if (isMoving(error) || !isReply(error) || replyCode(error) === 'MOVED') this.#map.doubt();
      // GLIDE has followed it for as long as it does: the slot is on its way.
      throw replyCode(error) === 'MOVED' ? new Error('TRYAGAIN the slot is being moved', { cause: error }) : error;
    });
  }

  async call(command: string, ...words: readonly string[]): Promise<unknown> {
    // Who asks anything knows the masters behind it.
    if (this.#map.masters.length === 0) await this.#map.load();
    const [first] = this.#map.masters;
    if (first === undefined) throw noMasterKnown(GLIDE);
    return await this.#connection.send([command, ...words], routeTo(first));
  }

  listen(): Promise<() => void> {
    // A client of its own, from `another`, listens.
    return Promise.reject(new ConnectionFault('closed'));
  }

  onLost(listener: () => void): () => void {
    return this.#connection.onLost(listener);
  }

  another(slot: number | null): RedisPort {
    const { factory, settings } = this.#connection;
    return new GlideNodePort(new GlideConnection(factory, settings, null, true), { type: 'primarySlotId', id: slot ?? 0 }, null);
  }

  masters(): readonly RedisPort[] {
    return this.#map.masters.map((address) => new GlideNodePort(this.#connection, routeTo(address), address));
  }

  nodeOf(slot: number): string {
    const master = this.#map.masterOf(slot);
    return master === null ? '' : `${master.host}:${master.port}`;
  }

  /** GLIDE ends a client as a whole: where only one node is silent, the others go on, and the driver gives up the silent one by itself. */
  end(slot: number | null = null): void {
    if (slot === null) this.#connection.end();
  }
}

/** One node, through a client of the whole cluster: GLIDE makes no other of it. */
class GlideNodePort implements RedisPort {
  readonly driver = GLIDE;
  readonly address: RedisAddress | null;
  readonly #connection: GlideConnection;
  readonly #route: GlideRoute;

  constructor(connection: GlideConnection, route: GlideRoute, address: RedisAddress | null) {
    this.#connection = connection;
    this.#route = route;
    this.address = address;
  }

  get isReady(): boolean {
    return this.#connection.isReady;
  }

  ready(): Promise<void> {
    return this.#connection.ready();
  }
  run(script: RedisScript, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    return this.#connection.run(script, keys, args, '', this.#route);
  }
  call(command: string, ...words: readonly string[]): Promise<unknown> {
    return this.#connection.send([command, ...words], this.#route);
  }
  listen(channel: string, onMessage: (text: string) => void): Promise<() => void> {
    return this.#connection.listen(channel, onMessage);
  }
  onLost(listener: () => void): () => void {
    return this.#connection.onLost(listener);
  }
  another(): RedisPort {
    const { factory, settings } = this.#connection;
    return new GlideNodePort(new GlideConnection(factory, settings, null, true), this.#route, this.address);
  }
  end(): void {
    this.#connection.end();
  }
}

function routeTo({ host, port }: RedisAddress): GlideRoute {
  return { type: 'routeByAddress', host, port };
}
