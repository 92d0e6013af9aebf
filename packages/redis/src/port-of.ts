import { isIoredisClient, type IoredisClient } from './ioredis/ioredis-client.js';
import { IoredisPort } from './ioredis/ioredis-port.js';
import type { RedisPort } from './redis-port.js';

/**
 * A client that Holdfast knows by its shape, or a port to one that Holdfast does not know. It is used as it is and never closed; connections
 * of our own are made from it.
 */
export type RedisClient = IoredisClient | RedisPort;

/** The port of a client of the user's; null for what is none. */
export function portOf(client: unknown): RedisPort | null {
  if (isPort(client)) return client;
  if (isIoredisClient(client)) return new IoredisPort(client, false);
  return null;
}

function isPort(value: unknown): value is RedisPort {
  if (typeof value !== 'object' || value === null) return false;
  const port = value as Readonly<Record<string, unknown>>;
  return (
    ['run', 'call', 'listen', 'onLost', 'another', 'end', 'ready'].every((method) => typeof port[method] === 'function') &&
    typeof port['driver'] === 'string'
  );
}
