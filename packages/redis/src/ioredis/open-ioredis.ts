import { connect } from 'node:net';
import type { RedisTarget } from '../redis-url.js';
import type { IoredisDriverClient } from './ioredis-client.js';
import { noteRawSocket, OWN_CONNECTION } from './own-connection.js';

/** What is used of the modules `ioredis` and `iovalkey`. */
export interface IoredisModule {
  readonly Redis: new (options: object) => IoredisDriverClient;
  readonly Cluster: new (nodes: readonly object[], options: object) => IoredisDriverClient;
}

/** Whether a module is ioredis or iovalkey. */
export function isIoredis(candidate: unknown): candidate is IoredisModule {
  return typeof (candidate as Partial<IoredisModule> | null | undefined)?.Redis === 'function';
}

/** Makes a client that begins to connect. */
export function openIoredis(
  { Redis, Cluster }: IoredisModule,
  target: RedisTarget,
  driverOptions: Readonly<Record<string, unknown>>,
): IoredisDriverClient {
  const { hosts, tls, username, password, db, masterName, kind } = target;
  const server = {
    keepAlive: 10_000,
    ...(tls ? { tls: {} } : {}),
    ...(username === null ? {} : { username }),
    ...(password === null ? {} : { password }),
    ...driverOptions,
    ...OWN_CONNECTION,
  };
  if (kind === 'standalone') {
    const [{ host, port }] = hosts;
    const secure = (server as { readonly tls?: object }).tls;
    if (secure === undefined) return new Redis({ ...server, host, port, db });
    const socket = connect({ host, port, ...present({ family: driverOptions['family'] }) });
    const client = new Redis({ ...server, host, port, db, tls: { ...secure, socket } });
    noteRawSocket(client, socket);
    return client;
  }
  if (kind === 'sentinel') {
    return new Redis({ enableTLSForSentinelMode: tls, ...server, sentinels: hosts, name: masterName, db, role: 'master' });
  }
  const { natMap, dnsLookup, slotsRefreshTimeout, ...redisOptions } = server as Record<string, unknown>;
  return new Cluster(hosts, {
    ...present({ natMap, dnsLookup, slotsRefreshTimeout }),
    redisOptions: { ...redisOptions, lazyConnect: true },
    clusterRetryStrategy: () => null,
    enableOfflineQueue: false,
    enableReadyCheck: false,
    scaleReads: 'master',
    keyPrefix: '',
    // A command whose connection ended may have run: it must not be sent again behind our back.
    retryDelayOnFailover: 0,
    retryDelayOnClusterDown: 0,
    // While a slot is moved a command of several keys is refused for as long as it takes: not worth the time of the call.
    retryDelayOnTryAgain: 20,
    maxRedirections: 6,
  });
}

function present(values: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined));
}
