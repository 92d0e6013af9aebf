import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLockManager, type LockBackend, type LockManager } from '@holdfast/core';
import {
  type ConformanceHarness,
  describeLockManager,
  type InjectedFaults,
  injectFaults,
  type SetupOptions,
} from '@holdfast/core/conformance';
import { describe, it } from 'vitest';
import { SqliteBackend } from '../sqlite-backend/sqlite-backend.js';

const noServer = 'there is no server, only a file';

const harness: ConformanceHarness = {
  name: 'SQLite',
  faults: ['disconnect', 'reconnect', 'freeze', 'thaw', 'loseNextReply', 'requests', 'crash', 'openBackend', 'otherProcess'],
  inapplicable: { killSession: noServer, deliverLate: noServer, stopNode: noServer, startNode: noServer },
  async setup(options) {
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-sqlite-'));
    const path = join(folder, 'locks.db');
    const clients = new Map<LockManager, InjectedFaults>();
    const backends: LockBackend[] = [];
    const open = (managerOptions: SetupOptions = {}) => {
      const { backend, faults } = injectFaults(new SqliteBackend(path));
      const manager = createLockManager(backend, managerOptions);
      clients.set(manager, faults);
      return { manager, faults };
    };
    const { manager, faults } = open(options);
    return {
      manager,
      peer: (peerOptions) => open(peerOptions).manager,
      faults: {
        ...faults,
        crash: async (peer) => clients.get(peer)?.disconnect(),
        openBackend() {
          const backend = new SqliteBackend(path);
          backends.push(backend);
          return backend;
        },
        otherProcess: () => ({ module: new URL('../dist/sqlite-backend/open-client.js', import.meta.url), data: path }),
      },
      async close() {
        await Promise.all([...clients.keys()].map((client) => client.close()));
        await Promise.all(backends.map((backend) => backend.close()));
        await rm(folder, { recursive: true, force: true });
      },
    };
  },
};

describeLockManager({ describe: describe.concurrent, it: it.concurrent }, harness);
