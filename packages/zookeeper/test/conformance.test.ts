import { createLockManager, type LockBackend, type LockManager } from '@holdfast/core';
import {
  type ConformanceHarness,
  type ConformanceSetup,
  describeLockManager,
  injectFaults,
  noWire,
  type SetupOptions,
} from '@holdfast/core/conformance';
import { callOf, newName, requestOf } from '@holdfast/test/backend';
import { createZooKeeperBackend } from '@holdfast/zookeeper';
import { beforeAll, describe, it } from 'vitest';
import type { DriverClient } from '../src/zookeeper-client.js';
import { driver, endSession, newRoot, nodesUnder, useZooKeeper } from './zookeeper-harness.js';

const zooKeeper = useZooKeeper();

/** The last client that was made for a port: it knows the session's password. */
const clients = new Map<number, DriverClient>();
const { createClient } = driver;
driver.createClient = (connectionString, options) => {
  const client = createClient(connectionString, options);
  clients.set(Number(connectionString.split(':').at(-1)), client);
  return client;
};

/** What one case has opened. Faults happen on the wire; what has to hit one request exactly is injected before it. */
class Opened {
  readonly root = newRoot();
  readonly #managers: LockManager[] = [];
  readonly #backends: LockBackend<bigint>[] = [];

  /** A backend that has made contact: cases time waits, not connections. */
  async backend(port: number): Promise<LockBackend<bigint>> {
    // Long enough for a busy machine, short enough to wait for the end of a dead client's session.
    const options = { connectionString: `127.0.0.1:${port}`, sessionTimeoutMs: 4000, root: this.root };
    const backend = createZooKeeperBackend(options);
    this.#backends.push(backend);
    const first = requestOf(newName());
    await backend.attempt([first], callOf());
    await backend.release([first], callOf());
    return backend;
  }

  async manager(options: SetupOptions = {}) {
    const { via = noWire } = options;
    const { port } = await via('127.0.0.1', zooKeeper.server.port);
    const { backend, faults } = injectFaults(await this.backend(port));
    const manager = createLockManager(backend, options);
    this.#managers.push(manager);
    return { manager, port, faults };
  }

  async close(): Promise<void> {
    await Promise.all(this.#managers.map((manager) => manager.close()));
    await Promise.all(this.#backends.map((backend) => backend.close()));
    await zooKeeper.admin.removeAll(this.root);
  }
}

const harness: ConformanceHarness = {
  name: 'ZooKeeper',
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
  async setup(options): Promise<ConformanceSetup> {
    const opened = new Opened();
    const { manager, port, faults } = await opened.manager(options);
    return {
      manager,
      peer: async (over) => (await opened.manager(over)).manager,
      faults: {
        loseNextReply: () => faults.loseNextReply(),
        requests: () => faults.requests(),
        killSession: async () => {
          const client = clients.get(port);
          if (client === undefined) throw new Error('no such client');
          await endSession(zooKeeper.server.port, client);
        },
        residue: () => nodesUnder(zooKeeper.admin, opened.root),
        openBackend: () => opened.backend(port),
        otherProcess: () => ({
          module: new URL('../dist-test/test/conformance-client.js', import.meta.url),
          data: { connectionString: `127.0.0.1:${zooKeeper.server.port}`, sessionTimeoutMs: 4_000, root: opened.root },
        }),
      },
      close: () => opened.close(),
    };
  },
};

// For a moment before the cases: they time waits of some tens of milliseconds, and a process that has just started takes
// as long to compile itself.
beforeAll(async () => {
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
});

describeLockManager({ describe: describe.concurrent, it }, harness);
