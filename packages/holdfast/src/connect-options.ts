import type { Capabilities, FencingToken, ManagerOptions } from '@holdfast/core';
import type { MemoryBackendOptions } from '@holdfast/core/memory';
import type { PostgresBackendOptions } from '@holdfast/postgres';
import type { RedisBackendOptions } from '@holdfast/redis';
import type { RedlockBackendOptions } from '@holdfast/redlock';
import type { ZooKeeperBackendOptions } from '@holdfast/zookeeper';
import type { SchemeTable } from './schemes.js';

/** What `require` may name: what a backend can or cannot do. */
export type Requirement = Exclude<keyof Capabilities, 'expiry' | 'maxPermits'>;

/** Options of every scheme that `connect` knows by itself; an option that the chosen backend does not have is refused. */
export interface BuiltInOptions
  extends MemoryBackendOptions,
    Omit<RedisBackendOptions, 'client' | 'url' | 'fair'>,
    Omit<RedlockBackendOptions, 'clients' | 'urls'>,
    Omit<PostgresBackendOptions, 'pool' | 'sql' | 'query' | 'connectionString'>,
    Omit<ZooKeeperBackendOptions, 'connectionString'> {}

/** Options of `connect`: those of the manager and of the backend, flat and by the same names, and its own two. */
export interface ConnectOptions<R extends readonly Requirement[] = readonly Requirement[]> extends ManagerOptions, BuiltInOptions {
  /**
   * What the backend must be able to do, so that a configuration without it fails at the start and not in production.
   * With `'fencing'` the manager's type says that tokens are never null.
   * @default []
   */
  readonly require?: R | undefined;
  /**
   * Further schemes, each with the module that serves it (see `BackendModule`); goes before the built-in ones.
   * @default {}
   */
  readonly schemes?: SchemeTable | undefined;
}

/** The same as one object, such as a configuration file gives. */
export interface ConnectConfig<R extends readonly Requirement[] = readonly Requirement[]> extends ConnectOptions<R> {
  /** @default the environment variable HOLDFAST_URL */
  readonly url?: string | undefined;
}

/** With schemes of one's own there are options that these types cannot know. */
export interface CustomConnectOptions<R extends readonly Requirement[] = readonly Requirement[]> extends ConnectOptions<R> {
  readonly schemes: SchemeTable;
  readonly [option: string]: unknown;
}

/** `CustomConnectOptions` as one object. */
export interface CustomConnectConfig<R extends readonly Requirement[] = readonly Requirement[]> extends ConnectConfig<R> {
  readonly schemes: SchemeTable;
  readonly [option: string]: unknown;
}

/** bigint when `'fencing'` is certainly among the requirements, else what any backend may give. */
export type RequiredToken<R extends readonly Requirement[]> = R extends readonly [infer First, ...infer Rest extends readonly Requirement[]]
  ? [First] extends ['fencing']
    ? bigint
    : RequiredToken<Rest>
  : FencingToken;
