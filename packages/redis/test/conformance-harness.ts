import { randomBytes } from 'node:crypto';
import { createLockManager, type LockBackend, type LockManager, type ManagerOptions } from '@holdfast/core';
import {
  type ConformanceHarness,
  type ConformanceSetup,
  injectFaults,
  lateDelivery,
  startTcpProxy,
  type TcpProxy,
} from '@holdfast/core/conformance';
import { createRedisBackend, type RedisBackendOptions, type RedisClient } from '@holdfast/redis';
import { callOf, newName, requestOf } from '@holdfast/test/backend';
import type { RedisServer } from '@holdfast/test/servers';
import { type OptionsHere, reachedBy } from './redis-harness.js';

/** All keys that match a pattern, on whatever is under test. */
type FindKeys = (pattern: string) => Promise<readonly string[]>;

/** What one case has opened. */
class Opened {
  readonly prefix = `c-${randomBytes(6).toString('hex')}:`;
  readonly clients: RedisClient[] = [];
  readonly proxies: TcpProxy[] = [];
  readonly #backends: LockBackend<bigint>[] = [];
  readonly #managers: LockManager<bigint>[] = [];

  /** A backend that has made contact: cases time waits, not connections and the loading of scripts. */
  async backend(options: RedisBackendOptions): Promise<LockBackend<bigint>> {
    const backend = createRedisBackend({ prefix: this.prefix, ...options });
    this.#backends.push(backend);
    const first = requestOf(newName());
    await backend.attempt([first], callOf(5000));
    await backend.release([first], callOf(5000));
    return backend;
  }

  manager(backend: LockBackend<bigint>, options: ManagerOptions = {}): LockManager<bigint> {
    const manager = createLockManager(backend, options);
    this.#managers.push(manager);
    return manager;
  }

  /** Keys of this case. Fences are none of its: there is one for each slot, whatever happens. */
  residue(find: FindKeys): Promise<readonly string[]> {
    return find(`*${this.prefix}*`);
  }

  async close(): Promise<void> {
    await Promise.all(this.proxies.map((proxy) => proxy.restore()));
    await Promise.all(this.#managers.map((manager) => manager.close()));
    await Promise.all(this.#backends.map((backend) => backend.close()));
    for (const client of this.clients) client.disconnect();
    await Promise.all(this.proxies.map((proxy) => proxy.close()));
  }
}

/**
 * Runs a harness for a moment before its cases: they time waits of some tens of milliseconds, and a process that has
 * just started takes as long to compile itself.
 */
export async function warmUp(harness: ConformanceHarness): Promise<void> {
  const { manager, peer, close } = await harness.setup({});
  const other = await peer();
  for (let i = 0; i < 100; i++) {
    const name = newName();
    const lease = await manager.acquire(name);
    const waiting = other.acquire(name);
    await lease.extend();
    await lease.release();
    await (await waiting).release();
  }
  await close();
}

/** Through a proxy, so that faults happen on the wire; what has to hit one request exactly is injected before it. */
export function wiredHarness(name: string, server: () => RedisServer, find: FindKeys, options: OptionsHere): ConformanceHarness {
  return {
    name,
    faults: [
      'disconnect',
      'reconnect',
      'freeze',
      'thaw',
      'loseNextReply',
      'requests',
      'residue',
      'crash',
      'killSession',
      'deliverLate',
      'openBackend',
    ],
    async setup(managerOptions): Promise<ConformanceSetup> {
      const opened = new Opened();
      const { url, port } = server();
      const links = new Map<LockManager, TcpProxy>();
      const connect = async (over: ManagerOptions = {}) => {
        const proxy = await startTcpProxy({ target: port });
        opened.proxies.push(proxy);
        const { backend, faults } = injectFaults(await opened.backend(reachedBy(proxy.urlFor(url), options)));
        const manager = opened.manager(backend, over);
        links.set(manager, proxy);
        return { manager, proxy, faults };
      };
      const { manager, proxy, faults } = await connect(managerOptions);
      return {
        manager,
        peer: async (over) => (await connect(over)).manager,
        faults: {
          disconnect: () => proxy.refuse(),
          reconnect: () => proxy.restore(),
          freeze: async () => proxy.silence(),
          thaw: () => proxy.restore(),
          loseNextReply: () => faults.loseNextReply(),
          requests: () => faults.requests(),
          killSession: async () => proxy.cut(),
          deliverLate: async () => lateDelivery([proxy]),
          crash: async (peer) => links.get(peer)?.refuse(),
          residue: () => opened.residue(find),
          openBackend: () => opened.backend(reachedBy(proxy.urlFor(url), options)),
        },
        close: () => opened.close(),
      };
    },
  };
}

/** With a gate before the backend: for a client of the user, and for a cluster, whose nodes tell their own addresses. */
export function gatedHarness(name: string, options: () => RedisBackendOptions, find: FindKeys): ConformanceHarness {
  return {
    name,
    faults: ['disconnect', 'reconnect', 'freeze', 'thaw', 'loseNextReply', 'requests', 'residue', 'openBackend'],
    async setup(managerOptions): Promise<ConformanceSetup> {
      const opened = new Opened();
      const open = (): Promise<LockBackend<bigint>> => {
        const chosen = options();
        if (chosen.client !== undefined) opened.clients.push(chosen.client);
        return opened.backend(chosen);
      };
      const { backend, faults } = injectFaults(await open());
      return {
        manager: opened.manager(backend, managerOptions),
        peer: async (over) => opened.manager(await open(), over),
        faults: { ...faults, residue: () => opened.residue(find), openBackend: open },
        close: () => opened.close(),
      };
    },
  };
}
