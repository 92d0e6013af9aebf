import type { LockBackend } from '@holdfast/core';
import { createRedlockBackend, initializeNodes, type RedlockBackendOptions } from '@holdfast/redlock';
import { type RedisNodes, startRedisNodes } from '@holdfast/test/servers';
import { Redis } from 'ioredis';
import { afterAll, afterEach, beforeAll } from 'vitest';

/** Independent servers for a test file, set up as a new deployment, and backends on them that end with their test. */
type Settings = Omit<RedlockBackendOptions, 'clients' | 'urls' | 'driver' | 'driverOptions'>;

/** Options of a backend that may leave open where the nodes are. */
export type OptionsHere = RedlockBackendOptions | (Settings & { readonly clients?: undefined; readonly urls?: undefined });

/** The same, with these URLs where none and no clients are given. */
export function reachedBy(urls: readonly string[], options: OptionsHere): RedlockBackendOptions {
  return options.clients === undefined && options.urls === undefined ? { ...options, urls } : options;
}

export interface NodesFixture {
  readonly servers: RedisNodes['nodes'];
  readonly urls: readonly string[];
  readonly admins: readonly Redis[];
  backend(options?: OptionsHere): LockBackend<bigint>;
}

export function useNodes(count: number, options: Settings = {}): NodesFixture {
  let started: RedisNodes | null = null;
  let admins: readonly Redis[] = [];
  const backends: LockBackend<bigint>[] = [];
  beforeAll(async () => {
    started = await startRedisNodes(count);
    admins = started.nodes.map(({ port }) => {
      const admin = new Redis(port);
      admin.on('error', () => {});
      return admin;
    });
    await initializeNodes({ ...options, urls: started.urls });
  });
  afterEach(async () => {
    await Promise.all(backends.splice(0).map((backend) => backend.close()));
  });
  afterAll(async () => {
    for (const admin of admins) admin.disconnect();
    await started?.close();
  });
  const must = (): RedisNodes => {
    if (started === null) throw new Error('not started');
    return started;
  };
  return {
    get servers() {
      return must().nodes;
    },
    get urls() {
      return must().urls;
    },
    get admins() {
      return admins;
    },
    backend(own = {}) {
      const backend = createRedlockBackend({ ...options, ...reachedBy(must().urls, own) });
      backends.push(backend);
      return backend;
    },
  };
}
