import { randomBytes } from 'node:crypto';
import { createLockManager, type LockBackend, type LockManager, type ManagerOptions } from '@holdfast/core';
import { type ConformanceHarness, type ConformanceSetup, injectFaults, noWire, type SetupOptions } from '@holdfast/core/conformance';
import { createPostgresBackend } from '@holdfast/postgres';
import { callOf, newName, requestOf } from '@holdfast/test/backend';
import type { PostgresServer } from '@holdfast/test/servers';
import type { Pool } from 'pg';
import type { Sql } from 'postgres';
import type { PostgresFixture } from './postgres-harness.js';
import type { Settings } from './reached.js';

/** What the clients of a namespace have left: tells it of one application name and one namespace. */
export type FindResidue = (applicationName: string, namespace: string) => Promise<readonly string[]>;

/** By what a backend reaches the server: a pool is ended with its case. */
type Reached = { readonly connectionString: string } | { readonly pool: Pool } | { readonly sql: Sql };
type Reach = (connectionString: string, applicationName: string) => Reached;

/** Keys of the sessions with this application name. */
export function heldKeys(fixture: PostgresFixture): FindResidue {
  return async (applicationName) => {
    const { rows } = await fixture.admin.query<{ readonly key: string }>(
      `select format('%s %s %s %s', pid, classid, objid, mode) as key from pg_locks join pg_stat_activity using (pid)
       where locktype = 'advisory' and application_name = $1`,
      [applicationName],
    );
    return rows.map(({ key }) => key);
  };
}

/** Rows of this namespace that hold something. A row stays for an hour, for its fence's sake; what it holds does not. */
export function heldRows(fixture: PostgresFixture): FindResidue {
  return async (_, namespace) => {
    const { rows } = await fixture.admin.query<{ readonly key: string }>(
      `select kind || ' ' || encode(name, 'hex') as key from holdfast.leases where namespace = $1
       and (expires_at > clock_timestamp() or writer_waits_until > clock_timestamp())`,
      [namespace],
    );
    return rows.map(({ key }) => key);
  };
}

/** What one case has opened. */
class Opened {
  readonly namespace = `c-${randomBytes(6).toString('hex')}`;
  readonly #backends: LockBackend[] = [];
  readonly #managers: LockManager[] = [];
  readonly #pools: { end(): Promise<void> }[] = [];

  /** A backend that has made contact: cases time waits, not connections. */
  async backend(reached: Reached, settings: Settings): Promise<LockBackend> {
    const own = 'connectionString' in reached ? { ...reached, driverOptions: { application_name: this.namespace } } : reached;
    const backend = createPostgresBackend({ namespace: this.namespace, ...own, ...settings });
    if ('pool' in reached) this.#pools.push(reached.pool);
    if ('sql' in reached) this.#pools.push({ end: () => reached.sql.end({ timeout: 0 }) });
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
  settings: Settings,
  reach: Reach = (connectionString) => ({ connectionString }),
): ConformanceHarness {
  const isTable = settings.strategy === 'table';
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
        return await opened.backend(reach(address.href, opened.namespace), settings);
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
            data: { connectionString: url, namespace: opened.namespace, ...settings },
          }),
        },
        close: () => opened.close(),
      };
    },
  };
}
