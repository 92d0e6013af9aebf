import { randomBytes } from 'node:crypto';
import { createLockManager, type LockBackend, type LockManager, type ManagerOptions } from '@holdfast/core';
import { type ConformanceHarness, type ConformanceSetup, injectFaults, noWire, type SetupOptions } from '@holdfast/core/conformance';
import { createRedlockBackend, type RedlockBackendOptions } from '@holdfast/redlock';
import { callOf, newName, requestOf } from '@holdfast/test/backend';
import { until } from '@holdfast/test/servers';
import type { Redis } from 'ioredis';
import { type NodesFixture, type OptionsHere, reachedBy } from './redlock-harness.js';

/** What one case has opened. */
class Opened {
  readonly prefix = `c-${randomBytes(6).toString('hex')}:`;
  readonly #backends: LockBackend<bigint>[] = [];
  readonly #managers: LockManager<bigint>[] = [];

  /** A backend that has made contact: cases time waits, not connections and the loading of scripts. */
  async backend(options: RedlockBackendOptions): Promise<LockBackend<bigint>> {
    const backend = createRedlockBackend({ prefix: this.prefix, ...options });
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

  async close(): Promise<void> {
    await Promise.all(this.#managers.map((manager) => manager.close()));
    await Promise.all(this.#backends.map((backend) => backend.close()));
  }
}

/** Runs a harness for a moment before its cases: they time waits, and a process that has just started has to compile itself. */
export async function warmUp(harness: ConformanceHarness): Promise<void> {
  const { manager, peer, close } = await harness.setup({});
  const other = await peer();
  for (let i = 0; i < 50; i++) {
    const name = newName();
    const lease = await manager.acquire(name);
    const waiting = other.acquire(name);
    await lease.extend();
    await lease.release();
    await (await waiting).release();
  }
  await close();
}

/** The names of the keys that hold a vote for a lock. */
async function votesOn(admin: Redis, prefix: string): Promise<string> {
  const keys = await admin.keys(`*${prefix}*`);
  const types = await Promise.all(keys.map((key) => admin.type(key)));
  return keys
    .filter((_, index) => types[index] === 'string')
    .sort()
    .join(' ');
}

/** Over the suite's wire to each node, so that faults happen on the wire; what has to hit one request exactly is injected before it. */
export function wiredHarness(name: string, fixture: NodesFixture, options: OptionsHere): ConformanceHarness {
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
      'stopNode',
      'startNode',
      'openBackend',
      'otherProcess',
    ],
    async setup(managerOptions): Promise<ConformanceSetup> {
      const opened = new Opened();
      const open = async ({ via = noWire }: SetupOptions): Promise<LockBackend<bigint>> => {
        const addresses = await Promise.all(fixture.servers.map(({ port }) => via('127.0.0.1', port)));
        const urls = fixture.urls.map((url, index) => urlAt(url, addresses[index]?.port));
        return await opened.backend(reachedBy(urls, options));
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
          // Fences are none of a case: there is a bounded number of them, whatever happens.
          residue: async () => {
            const found = await Promise.all(fixture.admins.map((admin) => admin.keys(`*${opened.prefix}*`)));
            // By key and not by node: a hold is granted by a majority, and the last vote for it may come later.
            return [...new Set(found.flat())];
          },
          openBackend: () => open(managerOptions),
          otherProcess: () => ({
            module: new URL('../dist-test/test/conformance-client.js', import.meta.url),
            data: { urls: fixture.urls, prefix: opened.prefix, ...options },
          }),
        },
        settled: () =>
          until('every node has a vote for what is held', async () => {
            const held = await Promise.all(fixture.admins.map((admin) => votesOn(admin, opened.prefix)));
            return held.every((votes) => votes === held[0]);
          }),
        close: () => opened.close(),
      };
    },
  };
}

function urlAt(url: string, port: number | undefined): string {
  const copy = new URL(url);
  copy.port = String(port);
  return copy.href;
}
