import type { HoldRequest, LockBackend, LockKind } from '@holdfast/core';
import type { RedisBackendOptions } from '@holdfast/redis';
import { callOf, type Granted } from '@holdfast/test/backend';
import { type StoreFixture, useStore } from '@holdfast/test/fixture';
import { type RedisServer, startRedis } from '@holdfast/test/servers';
import { Redis } from 'ioredis';
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

export type RedisFixture = StoreFixture<RedisServer, Redis, OptionsHere>;

export function useRedis(config?: Readonly<Record<string, string | number | readonly string[]>>): RedisFixture {
  return useStore({
    start: () => startRedis(config === undefined ? {} : { config }),
    connect: ({ port }) => {
      const admin = new Redis(port);
      admin.on('error', () => {});
      return admin;
    },
    disconnect: (admin) => admin.disconnect(),
    open: ({ url }, options: OptionsHere) => createRedisBackend(reachedBy(url, options)),
  });
}
