import { createLockManager, type LockBackend, type LockManager, type ManagerOptions } from '@holdfast/core';
import {
  type ConformanceHarness,
  type ConformanceSetup,
  describeLockManager,
  injectFaults,
  lateDelivery,
  startTcpProxy,
  type TcpProxy,
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
  readonly links = new Map<LockManager, TcpProxy>();
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

  async manager(options: ManagerOptions = {}) {
    const proxy = await startTcpProxy({ target: zooKeeper.server.port });
    const { backend, faults } = injectFaults(await this.backend(proxy.port));
    const manager = createLockManager(backend, options);
    this.links.set(manager, proxy);
    return { manager, proxy, faults };
  }

  async close(): Promise<void> {
    await Promise.all([...this.links.values()].map((proxy) => proxy.restore()));
    await Promise.all([...this.links.keys()].map((manager) => manager.close()));
    await Promise.all(this.#backends.map((backend) => backend.close()));
    await Promise.all([...this.links.values()].map((proxy) => proxy.close()));
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
  ],
  async setup(options): Promise<ConformanceSetup> {
    const opened = new Opened();
    const { manager, proxy, faults } = await opened.manager(options);
    return {
      manager,
      peer: async (over) => (await opened.manager(over)).manager,
      faults: {
        disconnect: () => proxy.refuse(),
        reconnect: () => proxy.restore(),
        freeze: async () => proxy.silence(),
        thaw: () => proxy.restore(),
        loseNextReply: () => faults.loseNextReply(),
        requests: () => faults.requests(),
        killSession: async () => {
          const client = clients.get(proxy.port);
          if (client === undefined) throw new Error('no such client');
          await endSession(zooKeeper.server.port, client);
        },
        deliverLate: async () => lateDelivery([proxy]),
        crash: async (peer) => opened.links.get(peer)?.refuse(),
        residue: () => nodesUnder(zooKeeper.admin, opened.root),
        openBackend: () => opened.backend(proxy.port),
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

describeLockManager({ describe, it: it.concurrent }, harness);
