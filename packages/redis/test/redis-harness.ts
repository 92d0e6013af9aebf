import type { HoldRequest, LockBackend, LockKind } from '@holdfast/core';
import { createRedisBackend, type RedisBackendOptions } from '@holdfast/redis';
import { attempt, callOf, free, type Granted, newName, requestOf, take } from '@holdfast/test/backend';
import { type RedisServer, startRedis, until } from '@holdfast/test/servers';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll } from 'vitest';

export async function waitersOf(backend: LockBackend<bigint>, name: string, kind: LockKind = 'lock'): Promise<number | null> {
  return (await backend.inspect(name, kind, callOf())).waiters;
}

export function fairWait(backend: LockBackend<bigint>, request: HoldRequest, signal?: AbortSignal): Promise<Granted> {
  if (backend.wait === undefined) throw new Error('not a fair backend');
  return backend.wait(request, callOf(2000, signal));
}

/** Counts wake-ups. */
export class Wakes {
  count = 0;
  readonly wake = (): void => {
    this.count += 1;
  };

  /** Resolves when there were more than before. */
  async after(count: number, timeoutMs = 5000): Promise<void> {
    await until(`wake-up ${count + 1}`, () => this.count > count, { timeoutMs, everyMs: 2 });
  }
}

function subscribe(backend: LockBackend<bigint>, request: HoldRequest, wake: () => void): { close(): void } {
  if (backend.subscribe === undefined) throw new Error('a fair backend has no subscriptions');
  return backend.subscribe(request, wake);
}

/** Subscribes, and waits until the channel stands: that is told by a first wake-up. */
export async function subscribed(backend: LockBackend<bigint>, request: HoldRequest): Promise<{ wakes: Wakes; close(): void }> {
  const wakes = new Wakes();
  // A subscription for a name of its own: the channel may stand already, and then nobody is told.
  const probe = requestOf(newName());
  const opened = new Wakes();
  const first = subscribe(backend, probe, opened.wake);
  const holder = requestOf(probe.name);
  await take(backend, holder);
  await until('the channel stands', async () => {
    if (opened.count > 0) return true;
    await attempt(backend, probe);
    await free(backend, holder);
    await attempt(backend, holder);
    return opened.count > 0;
  });
  await free(backend, holder);
  first.close();
  const subscription = subscribe(backend, request, wakes.wake);
  return { wakes, close: () => subscription.close() };
}

type Settings = Omit<RedisBackendOptions, 'client' | 'url' | 'driverOptions'>;

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
