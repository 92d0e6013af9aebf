import type { Socket } from 'node:net';
import type { IoredisDriverClient } from './ioredis-client.js';

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

const rawSockets = new WeakMap<IoredisDriverClient, Socket>();

/** A TLS connection of ours is made over a socket of ours, because only that one can be reset. Each client connects once. */
export function noteRawSocket(client: IoredisDriverClient, socket: Socket): void {
  rawSockets.set(client, socket);
}

/** null: the driver made the socket. */
export function rawSocketOf(client: IoredisDriverClient): Socket | null {
  return rawSockets.get(client) ?? null;
}
