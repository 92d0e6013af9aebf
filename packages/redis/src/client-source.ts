import type { Clock } from '@holdfast/core';
import { refuseEviction } from './eviction-policy.js';
import { SLOTS } from './key-slot.js';
import { BorrowedLink, OwnedLink, type RedisLink } from './link.js';
import { openDriver } from './open-driver.js';
import type { ResolvedRedisOptions } from './redis-options.js';
import type { RedisPort } from './redis-port.js';

/** Where connections come from: the user's client or a URL. */
export interface ClientSource {
  /** The driver's package; null before the first that is installed has been loaded. */
  readonly driver: string | null;
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
      driver: client.driver,
      isCluster,
      keyPrefix: client.keyPrefix ?? '',
      link: new BorrowedLink(client, clock, allowEviction),
      another: (slot) => client.another(isCluster ? (slot ?? anySlot(clock)) : null),
    };
  }
  if (target === null) throw new TypeError('neither a client nor a target');
  let loaded: string | null = driver;
  const connect = async (): Promise<RedisPort> => {
    const port = await openDriver(target, driver, driverOptions);
    loaded = port.driver;
    return port;
  };
  const link = new OwnedLink({ clock, make: connect, prepare: allowEviction ? null : ({ port }) => refuseEviction(port) });
  return {
    get driver() {
      return loaded;
    },
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
