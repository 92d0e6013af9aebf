import { AddressServer } from './address-server.js';
import { askRedis } from './ask-redis.js';
import { findAddress } from './find-source.js';
import { type RedisConfig, renderRedisConfig } from './redis-config.js';
import type { OwnServer, ServerHandle } from './server-handle.js';
import { buildInPlace, type ServerPlace } from './server-place.js';
import type { LaunchPlan, ServerSpec } from './server-spec.js';

export interface RedisOptions {
  /** Directives of redis.conf, over the defaults: no persistence, loopback only. */
  readonly config?: RedisConfig | undefined;
  /** More arguments of redis-server, after the configuration file. */
  readonly args?: readonly string[] | undefined;
  /** Variables of its environment, for a program of this machine. */
  readonly environment?: Readonly<Record<string, string>> | undefined;
}

/** One redis-server that answers on 127.0.0.1. */
export interface RedisServer extends ServerHandle {
  readonly host: string;
  readonly port: number;
  /** `redis://127.0.0.1:port`; credentials, if the configuration asks for some, are the test's to add. */
  readonly url: string;
}

export const redisSpec: ServerSpec = {
  title: 'Redis',
  binary: 'redis-server',
  addressVariable: 'HOLDFAST_TEST_REDIS_URL',
  imageVariable: 'HOLDFAST_TEST_REDIS_IMAGE',
  image: 'redis:7-alpine',
  imagePort: 6379,
  debianPackage: 'redis-server',
};

/**
 * Starts a Redis of this test's own, in some tens of milliseconds; or stands in front of the one that HOLDFAST_TEST_REDIS_URL names, if
 * no configuration of its own is asked for.
 */
export async function startRedis(options: RedisOptions = {}): Promise<RedisServer> {
  const address = options.config || options.args ? null : findAddress(redisSpec);
  if (address) return AddressServer.open(redisSpec, ['redis'], address);
  return buildInPlace(redisSpec, { count: 1 }, (place) => startRedisIn(place, 0, options));
}

/** Starts one redis-server on the place's port of this index. */
export async function startRedisIn(
  place: ServerPlace,
  index: number,
  options: RedisOptions & { readonly files?: Readonly<Record<string, string>>; readonly sentinel?: boolean },
): Promise<RedisServer> {
  const port = place.ports[index];
  if (port === undefined) throw new RangeError(`this place has no port number ${index}`);
  // A sentinel knows nothing of data and accepts no setting of how to keep them.
  const defaults: RedisConfig = options.sentinel ? {} : { save: '', appendonly: 'no' };
  const config = { port, bind: place.bindAddress, 'protected-mode': 'no', ...defaults, ...options.config };
  const mode = options.sentinel ? ['--sentinel'] : [];
  const plan: LaunchPlan = {
    files: { 'redis.conf': renderRedisConfig(config), ...options.files },
    args: (directory) => [`${directory}/redis.conf`, ...mode, '--dir', directory, ...(options.args ?? [])],
    environment: options.environment,
    ports: [port],
    // Any reply will do, "-NOAUTH" included, but not that it is still reading its data or waits for its primary.
    isReady: async () => !/^-(?:LOADING|MASTERDOWN)/.test(await askRedis(port, 'PING')),
  };
  return withAddress(await place.start(plan), port);
}

function withAddress(server: OwnServer, port: number): RedisServer {
  const address = { host: '127.0.0.1', port, url: `redis://127.0.0.1:${port}` };
  return Object.assign(server, address);
}
