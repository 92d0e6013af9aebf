import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createLockManager, type LockBackend, type LockManager } from '@holdfast/core';
import { type ConformanceHarness, type InjectedFaults, injectFaults, type SetupOptions } from '@holdfast/core/conformance';
import { Database, NOW } from '../sqlite-backend/database.js';
import { SqliteBackend } from '../sqlite-backend/sqlite-backend.js';

/** Built: the suite's processes know no TypeScript. */
const clientModule = `..${import.meta.url.endsWith('.ts') ? '/dist' : ''}/sqlite-backend/open-client.js`;
const noServer = 'there is no server, only a file';

/** What the conformance suite needs, for the tests and for `holdfast conformance --harness`. */
export const harness: ConformanceHarness = {
  name: 'SQLite',
  faults: ['disconnect', 'reconnect', 'freeze', 'thaw', 'loseNextReply', 'requests', 'residue', 'crash', 'openBackend', 'otherProcess'],
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
        residue: async () => rowsIn(path),
        crash: async (peer) => clients.get(peer)?.disconnect(),
        openBackend() {
          const backend = new SqliteBackend(path);
          backends.push(backend);
          return backend;
        },
        otherProcess: () => ({ module: new URL(clientModule, import.meta.url), data: path }),
      },
      async close() {
        await Promise.all([...clients.keys()].map((client) => client.close()));
        await Promise.all(backends.map((backend) => backend.close()));
        await rm(folder, { recursive: true, force: true });
      },
    };
  },
};

/** What stands in the file, but for what has expired: the next step of anybody removes that. */
function rowsIn(path: string): readonly string[] {
  const database = new Database(path);
  try {
    const rows = ['holds', 'writers'].map((table) => database.all(`SELECT name FROM ${table} WHERE expires_at > ${NOW}`));
    return rows.flat().map(({ name }) => Buffer.from(String(name), 'hex').toString());
  } finally {
    database.close();
  }
}
