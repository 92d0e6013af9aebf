import type { HoldRequest, LockBackend, LockKind } from '@holdfast/core';
import type { RedisBackendOptions } from '@holdfast/redis';
import { callOf, type Granted } from '@holdfast/test/backend';
import { type RedisServer, startRedis } from '@holdfast/test/servers';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll } from 'vitest';
import { createRedisBackend } from './chosen-driver.js';

export async function waitersOf(backend: LockBackend<bigint>, name: string, kind: LockKind = 'lock'): Promise<number | null> {
  return (await backend.inspect(name, kind, callOf())).waiters;
}

/** Stands in the queue on the server. */
export function standIn(backend: LockBackend<bigint>, request: HoldRequest, signal?: AbortSignal): Promise<Granted> {
  if (backend.wait === undefined) throw new Error('a backend without a queue');
  return backend.wait(request, callOf(2000, signal));
}

type Settings = Omit<RedisBackendOptions, 'client' | 'url' | 'driver' | 'driverOptions'>;

/** Options of a backend that may leave open where the server is. */
export type OptionsHere = RedisBackendOptions | (Settings & { readonly client?: undefined; readonly url?: undefined });

/** The same, with this URL where none and no client is given. */
export function reachedBy(url: string, options: OptionsHere): RedisBackendOptions {
  return options.client === undefined && options.url === undefined ? { ...options, url } : options;
}

/** One Redis for a test file, and backends on it that end with their test. */
export interface RedisFixture {
  readonly server: RedisServer;
  readonly admin: Redis;
  backend(options?: OptionsHere): LockBackend<bigint>;
}

export function useRedis(config?: Readonly<Record<string, string | number | readonly string[]>>): RedisFixture {
  let server: RedisServer | undefined;
  let admin: Redis | undefined;
  const backends: LockBackend<bigint>[] = [];
  beforeAll(async () => {
    server = await startRedis(config === undefined ? {} : { config });
    admin = new Redis(server.port);
    admin.on('error', () => {});
  });
  afterEach(async () => {
    await Promise.all(backends.splice(0).map((backend) => backend.close()));
  });
  afterAll(async () => {
    admin?.disconnect();
    await server?.close();
  });
  const must = <T>(value: T | undefined): T => {
    if (value === undefined) throw new Error('not started');
    return value;
  };
  return {
    get server() {
      return must(server);
    },
    get admin() {
      return must(admin);
    },
    backend(options = {}) {
      const backend = createRedisBackend(reachedBy(must(server).url, options));
      backends.push(backend);
      return backend;
    },
  };
}
