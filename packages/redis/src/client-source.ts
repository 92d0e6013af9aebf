import { type Clock, LockUnavailableError } from '@holdfast/core';
import { refuseEviction } from './eviction-policy.js';
import { BorrowedLink, OwnedLink, type RedisLink } from './link.js';
import { connectTo } from './open-driver.js';
import { OWN_CONNECTION } from './own-connection.js';
import type { DriverClient } from './redis-client.js';
import type { ResolvedRedisOptions } from './redis-options.js';

/** Where connections come from: the user's client or a URL. */
export interface ClientSource {
  readonly isCluster: boolean;
  /** What the client puts in front of every key. */
  readonly keyPrefix: string;
  /** The way of all commands but those that block or listen. */
  readonly link: RedisLink;
  /** Makes another connection to the same data, ours to close; of a cluster to one master, that of the slot if given. */
  another(slot: number | null): Promise<DriverClient> | DriverClient;
}

/** @param options with exactly one of `client` and `target` */
export function clientSource(options: ResolvedRedisOptions, clock: Clock): ClientSource {
  const { client, target, driverOptions, allowEviction } = options;
  if (client !== null) {
    const link = new BorrowedLink(client, clock, allowEviction);
    return {
      isCluster: client.isCluster,
      keyPrefix: client.options?.keyPrefix ?? '',
      link,
      another: (slot) => (client.isCluster ? nodeOf(client, slot, clock) : client).duplicate(OWN_CONNECTION),
    };
  }
  if (target === null) throw new TypeError('neither a client nor a target');
  const connect = (): Promise<DriverClient> => connectTo(target, driverOptions);
  const link = new OwnedLink({ clock, make: connect, prepare: allowEviction ? null : ({ client: made }) => refuseEviction(made) });
  return {
    isCluster: target.kind === 'cluster',
    keyPrefix: '',
    link,
    another: async (slot) => {
      if (target.kind !== 'cluster') return connect();
      const { connection } = await link.open(CONNECT_MS);
      return nodeOf(connection.client, slot, clock).duplicate(OWN_CONNECTION);
    },
  };
}

const CONNECT_MS = 2000;

/** A master of the cluster: that of the slot, else any. */
function nodeOf(cluster: DriverClient, slot: number | null, clock: Clock): DriverClient {
  const masters = cluster.nodes?.('master') ?? [];
  const key = slot === null ? undefined : cluster.slots?.[slot]?.[0];
  const node =
    masters.find(({ options }) => `${options?.host}:${options?.port}` === key) ?? masters[Math.floor(clock.random() * masters.length)];
  if (node === undefined) throw new LockUnavailableError('redis: no master of the cluster is known yet', { backend: 'redis' });
  return node;
}
