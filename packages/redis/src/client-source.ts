import type { Clock } from '@holdfast/core';
import { refuseEviction } from './eviction-policy.js';
import { SLOTS } from './key-slot.js';
import { BorrowedLink, OwnedLink, type RedisLink } from './link.js';
import { openDriver } from './open-driver.js';
import type { ResolvedRedisOptions } from './redis-options.js';
import type { RedisPort } from './redis-port.js';

/** Where connections come from: the user's client or a URL. */
export interface ClientSource {
  readonly isCluster: boolean;
  /** What the client puts in front of every key. */
  readonly keyPrefix: string;
  /** The way of all commands but those that block or listen. */
  readonly link: RedisLink;
  /** Makes another connection to the same data, ours to close; of a cluster to one master, that of the slot if given. */
  another(slot: number | null): Promise<RedisPort> | RedisPort;
}

/** @param options with exactly one of `client` and `target` */
export function clientSource(options: ResolvedRedisOptions, clock: Clock): ClientSource {
  const { client, target, driver, driverOptions, allowEviction } = options;
  if (client !== null) {
    const isCluster = client.isCluster === true;
    return {
      isCluster,
      keyPrefix: client.keyPrefix ?? '',
      link: new BorrowedLink(client, clock, allowEviction),
      another: (slot) => client.another(isCluster ? (slot ?? anySlot(clock)) : null),
    };
  }
  if (target === null) throw new TypeError('neither a client nor a target');
  const connect = (): Promise<RedisPort> => openDriver(target, driver, driverOptions);
  const link = new OwnedLink({ clock, make: connect, prepare: allowEviction ? null : ({ port }) => refuseEviction(port) });
  return {
    isCluster: target.kind === 'cluster',
    keyPrefix: '',
    link,
    another: async (slot) => {
      if (target.kind !== 'cluster') return connect();
      const { connection } = await link.open(CONNECT_MS);
      return connection.port.another(slot ?? anySlot(clock));
    },
  };
}

const CONNECT_MS = 2000;

/** So that the listeners of many processes spread over the masters. */
function anySlot(clock: Clock): number {
  return Math.floor(clock.random() * SLOTS);
}
