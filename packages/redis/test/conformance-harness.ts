import { randomBytes } from 'node:crypto';
import { createLockManager, type LockBackend, type LockManager, type ManagerOptions } from '@holdfast/core';
import { type ConformanceHarness, type ConformanceSetup, injectFaults, noWire, type SetupOptions } from '@holdfast/core/conformance';
import type { RedisBackendOptions } from '@holdfast/redis';
import { callOf, newName, requestOf } from '@holdfast/test/backend';
import type { RedisServer } from '@holdfast/test/servers';
import { type OptionsHere, reachedBy } from './redis-harness.js';
import { SLOTS, tagOf } from '../src/key-slot.js';
import { createRedisBackend } from './chosen-driver.js';

/** All keys that match a pattern, on whatever is under test. */
type FindKeys = (pattern: string) => Promise<readonly string[]>;

/** Hash tags in the middle of the slots of each of three masters. */
const ON_EACH_MASTER = [1, 3, 5].map((sixth) => tagOf(Math.floor((sixth * SLOTS) / 6)));

/** What one case has opened. */
class Opened {
  readonly prefix = `c-${randomBytes(6).toString('hex')}:`;
  readonly ends: (() => unknown)[] = [];
  readonly #backends: LockBackend<bigint>[] = [];
  readonly #managers: LockManager<bigint>[] = [];

  /** A backend that has made contact, with each master of a cluster: cases time waits, not connections and the loading of scripts. */
  async backend(options: RedisBackendOptions): Promise<LockBackend<bigint>> {
    const backend = createRedisBackend({ prefix: this.prefix, ...options });
    this.#backends.push(backend);
    const first = ON_EACH_MASTER.map((tag) => requestOf(`{${tag}}${newName()}`));
    await backend.attempt(first, callOf(5000));
    await backend.release(first, callOf(5000));
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
    await Promise.all(this.#managers.map((manager) => manager.close()));
    await Promise.all(this.#backends.map((backend) => backend.close()));
    await Promise.all(this.ends.map((end) => end()));
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

/** Over the suite's wire, so that faults happen there; what has to hit one request exactly is injected before it. */
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
      'otherProcess',
    ],
    inapplicable: { stopNode: 'it is one server', startNode: 'it is one server' },
    async setup(managerOptions): Promise<ConformanceSetup> {
      const opened = new Opened();
      const { url, port } = server();
      const open = async ({ via = noWire }: SetupOptions): Promise<LockBackend<bigint>> => {
        const address = await via('127.0.0.1', port);
        return await opened.backend(reachedBy(urlAt(url, address.port), options));
      };
      const connect = async (over: SetupOptions = {}) => {
        const { backend, faults } = injectFaults(await open(over));
        return { manager: opened.manager(backend, over), faults };
      };
      const { manager, faults } = await connect(managerOptions);
      return {
        manager,
        peer: async (over) => (await connect(over)).manager,
        faults: {
          loseNextReply: () => faults.loseNextReply(),
          requests: () => faults.requests(),
          residue: () => opened.residue(find),
          openBackend: () => open(managerOptions),
          otherProcess: () => ({
            module: new URL('../dist-test/test/conformance-client.js', import.meta.url),
            data: { url, prefix: opened.prefix, ...options },
          }),
        },
        close: () => opened.close(),
      };
    },
  };
}

function urlAt(url: string, port: number): string {
  const copy = new URL(url);
  copy.port = String(port);
  return copy.href;
}

/** How one backend reaches the servers, and what ends the client that it was given. */
export interface Reached {
  readonly options: RedisBackendOptions;
  readonly end?: () => unknown;
}

/** With a gate before the backend: for a client of the user, and for a cluster, whose nodes tell their own addresses. */
export function gatedHarness(name: string, reach: () => Reached | Promise<Reached>, find: FindKeys): ConformanceHarness {
  return {
    name,
    faults: ['disconnect', 'reconnect', 'freeze', 'thaw', 'loseNextReply', 'requests', 'residue', 'openBackend'],
    async setup(managerOptions): Promise<ConformanceSetup> {
      const opened = new Opened();
      const open = async (): Promise<LockBackend<bigint>> => {
        const { options, end } = await reach();
        if (end !== undefined) opened.ends.push(end);
        return await opened.backend(options);
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
