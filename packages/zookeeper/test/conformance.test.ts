import { describeLockManager } from '@holdfast/core/conformance';
import { harnessOverWire, warmUp } from '@holdfast/test/backend';
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

/** Long enough for a busy machine, short enough to wait for the end of a dead client's session. */
const sessionTimeoutMs = 4_000;

const harness = harnessOverWire('ZooKeeper', 'one', () => {
  const root = newRoot();
  /** Of the manager under test, which is opened first. */
  let ownPort: number | null = null;
  return {
    open: async (via) => {
      const { port } = await via('127.0.0.1', zooKeeper.server.port);
      ownPort ??= port;
      return createZooKeeperBackend({ connectionString: `127.0.0.1:${port}`, sessionTimeoutMs, root });
    },
    residue: () => nodesUnder(zooKeeper.admin, root),
    otherProcess: {
      module: new URL('../dist-test/test/conformance-client.js', import.meta.url),
      data: { connectionString: `127.0.0.1:${zooKeeper.server.port}`, sessionTimeoutMs, root },
    },
    faults: () => ({
      killSession: async () => {
        const client = ownPort === null ? undefined : clients.get(ownPort);
        if (client === undefined) throw new Error('no such client');
        await endSession(zooKeeper.server.port, client);
      },
    }),
    close: () => zooKeeper.admin.removeAll(root),
  };
});

beforeAll(() => warmUp(harness));

describeLockManager({ describe: describe.concurrent, it }, harness);
