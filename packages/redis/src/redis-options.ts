import { LockArgumentError, MAX_DURATION_MS, type OptionRule, readOptions, rule } from '@holdfast/core';
import { driverNames, type RedisDriver } from './open-driver.js';
import { portOf, type RedisClient } from './port-of.js';
import type { RedisPort } from './redis-port.js';
import { parseRedisUrl, type RedisTarget } from './redis-url.js';

/** How many replicas must confirm a grant before the grant counts. */
export interface ReplicaOptions {
  /** How many replicas must have it. From 1. */
  readonly min: number;
  /** How long to wait for them, in milliseconds. @default 500 */
  readonly timeoutMs?: number | undefined;
}

/** By a client of the user's. */
interface ByClient {
  /**
   * A client of ioredis 5 or 6 or of iovalkey (`Redis`, `Cluster`), of redis 5 or 6 (`createClient`, `createCluster`, `createSentinel`),
   * of @valkey/valkey-glide 2 (`GlideClient`, `GlideClusterClient`), Bun's own client, or a `RedisPort` to any other. It is used as it is and never closed.
   */
  readonly client: RedisClient;
  readonly url?: undefined;
  readonly driver?: undefined;
  readonly driverOptions?: undefined;
}

/** By connections of our own. */
interface ByUrl {
  /**
   * `redis://[user:password@]host[:port][/db]`, `rediss://...` (TLS), `redis+cluster://host:port,host:port`,
   * `redis+sentinel://host:port,host:port/master-name[/db]`. Connections to it are ours: made at the first call.
   */
  readonly url: string;
  readonly client?: undefined;
  /**
   * With `url`: the package that makes the connections.
   * @default the first that is installed of ioredis, redis, iovalkey, @valkey/valkey-glide
   */
  readonly driver?: RedisDriver | undefined;
  /** With `url`: further options for the driver, such as `tls`, `sentinelPassword`, `natMap`, `family` of ioredis. @default {} */
  readonly driverOptions?: Readonly<Record<string, unknown>> | undefined;
}

/** What does not depend on how the server is reached. */
interface RedisSettings {
  /**
   * What the keys of locks begin with: the key is `prefix + name`. '' or another library's own prefix makes the two
   * exclude each other on one key.
   * @default 'holdfast:'
   */
  readonly prefix?: string | undefined;
  /**
   * Whether every waiter stands in the queue on the server: first come, first served over all processes. Without it only the first waiter of
   * each manager stands there: first come, first served among processes, each of which hands on to its own waiters for up to 100 ms.
   * @default false
   */
  readonly fair?: boolean | undefined;
  /**
   * Confirms each grant and renewal by WAIT before it is believed. Makes the loss of a lock at a fail-over unlikely,
   * not impossible. @default none
   */
  readonly replicas?: ReplicaOptions | undefined;
  /**
   * Takes a server whose maxmemory-policy may drop keys that are in use, instead of refusing it.
   * @default false
   */
  readonly allowEviction?: boolean | undefined;
}

/** Options of `createRedisBackend`: exactly one of `client` and `url`. */
export type RedisBackendOptions = RedisSettings & (ByClient | ByUrl);

export interface ResolvedRedisOptions {
  readonly client: RedisPort | null;
  readonly target: RedisTarget | null;
  readonly prefix: string;
  readonly fair: boolean;
  readonly replicas: { readonly min: number; readonly timeoutMs: number } | null;
  readonly allowEviction: boolean;
  /** null: the first that is installed. */
  readonly driver: RedisDriver | null;
  readonly driverOptions: Readonly<Record<string, unknown>>;
}

const MAX_PREFIX_LENGTH = 256;

const prefixRule: OptionRule = (value) =>
  typeof value === 'string' && value.length <= MAX_PREFIX_LENGTH && value.isWellFormed()
    ? null
    : `must be a string of well-formed Unicode, at most ${MAX_PREFIX_LENGTH} long`;

/** The options of a Redis backend and what each must be. */
export const redisBackendRules = {
  client: rule.secret((value) => {
    const port = portOf(value);
    return typeof port === 'string' ? port : null;
  }),
  url: rule.secret(rule.string),
  prefix: prefixRule,
  fair: rule.boolean,
  replicas: rule.object,
  allowEviction: rule.boolean,
  driver: rule.oneOf(...driverNames),
  driverOptions: rule.secret(rule.object),
} satisfies Record<keyof RedisBackendOptions, OptionRule>;

const defaults = Object.freeze({ prefix: 'holdfast:', fair: false, allowEviction: false, driverOptions: Object.freeze({}) });
const REPLICA_TIMEOUT_MS = 500;

const replicaRules = { min: rule.integer(1, 1000), timeoutMs: rule.duration({ min: 1 }) };

/** @throws LockArgumentError LOCK_INVALID_ARGUMENT */
export function resolveRedisOptions(where: string, given: RedisBackendOptions): ResolvedRedisOptions {
  if (given === undefined) throw new LockArgumentError(`${where}: options are missing; pass client or url`, { option: 'options' });
  const options = readOptions(where, given, redisBackendRules);
  const { client, url } = options;
  if ((client === undefined) === (url === undefined)) {
    throw new LockArgumentError(`${where}: pass exactly one of client and url`, { option: client === undefined ? 'url' : 'client' });
  }
  if (client !== undefined && options.driverOptions !== undefined) {
    throw new LockArgumentError(`${where}: driverOptions go with url; a client has its own`, { option: 'driverOptions' });
  }
  if (client !== undefined && options.driver !== undefined) {
    throw new LockArgumentError(`${where}: driver goes with url; a client is of one already`, { option: 'driver' });
  }
  const port = client === undefined ? null : portOf(client);
  if (typeof port === 'string') throw new LockArgumentError(`${where}: client ${port}`, { option: 'client' });
  const replicas = options.replicas === undefined ? null : readOptions(`${where}: replicas`, options.replicas, replicaRules, ['min']);
  return {
    client: port,
    target: url === undefined ? null : parseRedisUrl(url),
    prefix: options.prefix ?? defaults.prefix,
    fair: options.fair ?? defaults.fair,
    replicas:
      replicas === null ? null : { min: replicas.min, timeoutMs: Math.min(replicas.timeoutMs ?? REPLICA_TIMEOUT_MS, MAX_DURATION_MS) },
    allowEviction: options.allowEviction ?? defaults.allowEviction,
    driver: options.driver ?? null,
    driverOptions: { ...(options.driverOptions ?? defaults.driverOptions) },
  };
}
