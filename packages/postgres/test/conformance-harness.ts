import { randomBytes } from 'node:crypto';
import { createLockManager, type LockBackend, type LockManager, type ManagerOptions } from '@holdfast/core';
import { type ConformanceHarness, type ConformanceSetup, injectFaults, noWire, type SetupOptions } from '@holdfast/core/conformance';
import { createPostgresBackend, type PostgresBackendOptions } from '@holdfast/postgres';
import { callOf, newName, requestOf } from '@holdfast/test/backend';
import type { PostgresServer } from '@holdfast/test/servers';
import type { Pool } from 'pg';

/** What the clients of a namespace have left: tells it of one application name and one namespace. */
export type FindResidue = (applicationName: string, namespace: string) => Promise<readonly string[]>;

/** By what a backend reaches the server: a pool is ended with its case. */
type Reach = (connectionString: string, applicationName: string) => { readonly connectionString: string } | { readonly pool: Pool };

/** What one case has opened. */
class Opened {
  readonly namespace = `c-${randomBytes(6).toString('hex')}`;
  readonly #backends: LockBackend[] = [];
  readonly #managers: LockManager[] = [];
  readonly #pools: Pool[] = [];

  /** A backend that has made contact: cases time waits, not connections. */
  async backend(options: PostgresBackendOptions): Promise<LockBackend> {
    const backend = createPostgresBackend({
      namespace: this.namespace,
      ...(options.pool === undefined ? { driverOptions: { application_name: this.namespace } } : {}),
      ...options,
    });
    if (options.pool !== undefined) this.#pools.push(options.pool as Pool);
    this.#backends.push(backend);
    const first = requestOf(newName());
    await backend.attempt([first], callOf(5_000));
    await backend.release([first], callOf(5_000));
    return backend;
  }

  manager(backend: LockBackend, options: ManagerOptions = {}): LockManager {
    const manager = createLockManager(backend, options);
    this.#managers.push(manager);
    return manager;
  }

  async close(): Promise<void> {
    await Promise.all(this.#managers.map((manager) => manager.close()));
    await Promise.all(this.#backends.map((backend) => backend.close()));
    await Promise.all(this.#pools.map((pool) => pool.end()));
  }
}

/** Runs a harness for a moment before its cases: they time waits, and a process that has just started compiles itself first. */
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

/**
 * Silence, crashes and ended sessions happen on the wire. A disconnection does too where a hold outlives its connection;
 * where it ends with its session, that is another fault (`killSession`), and a disconnection is one of requests only: it
 * is injected before the backend.
 */
export function wiredHarness(
  name: string,
  server: () => PostgresServer,
  residue: FindResidue,
  options: PostgresBackendOptions,
  reach: Reach = (connectionString) => ({ connectionString }),
): ConformanceHarness {
  const isTable = options.strategy === 'table';
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
      const open = async ({ via = noWire }: SetupOptions): Promise<LockBackend> => {
        const address = new URL(url);
        address.port = String((await via('127.0.0.1', port)).port);
        return await opened.backend({ ...reach(address.href, opened.namespace), ...options });
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
          ...(isTable ? {} : { disconnect: () => faults.disconnect(), reconnect: () => faults.reconnect() }),
          loseNextReply: () => faults.loseNextReply(),
          requests: () => faults.requests(),
          residue: () => residue(opened.namespace, opened.namespace),
          openBackend: () => open(managerOptions),
          otherProcess: () => ({
            module: new URL('../dist-test/test/conformance-client.js', import.meta.url),
            data: { connectionString: url, namespace: opened.namespace, ...options },
          }),
        },
        close: () => opened.close(),
      };
    },
  };
}
