import type { LockBackend } from '@holdfast/core';
import { createRedlockBackend, initializeNodes, type RedlockBackendOptions } from '@holdfast/redlock';
import { useStore } from '@holdfast/test/fixture';
import { type RedisNodes, startRedisNodes } from '@holdfast/test/servers';
import { Redis } from 'ioredis';

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
  const nodes = useStore({
    start: () => startRedisNodes(count),
    connect: async ({ nodes: servers, urls }) => {
      const admins = servers.map(({ port }) => {
        const admin = new Redis(port);
        admin.on('error', () => {});
        return admin;
      });
      await initializeNodes({ ...options, urls });
      return admins;
    },
    disconnect: (admins) => admins.forEach((admin) => admin.disconnect()),
    open: ({ urls }, own: OptionsHere) => createRedlockBackend({ ...options, ...reachedBy(urls, own) }),
  });
  return {
    get servers() {
      return nodes.server.nodes;
    },
    get urls() {
      return nodes.server.urls;
    },
    get admins() {
      return nodes.admin;
    },
    backend: nodes.backend,
  };
}
