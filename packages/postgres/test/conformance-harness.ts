import { randomBytes } from 'node:crypto';
import type { ConformanceHarness } from '@holdfast/core/conformance';
import { createPostgresBackend } from '@holdfast/postgres';
import { harnessOverWire } from '@holdfast/test/backend';
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

/**
 * A disconnection happens on the wire where a hold outlives its connection. Where the hold ends with its session, that is another fault
 * (`killSession`), and a disconnection is one of requests only: it is injected before the backend.
 */
export function wiredHarness(
  name: string,
  server: () => PostgresServer,
  residue: FindResidue,
  settings: Settings,
  reach: Reach = (connectionString) => ({ connectionString }),
): ConformanceHarness {
  return harnessOverWire(name, 'one', () => {
    const namespace = `c-${randomBytes(6).toString('hex')}`;
    const { url, port } = server();
    const ends: (() => Promise<void>)[] = [];
    return {
      open: async (via) => {
        const address = new URL(url);
        address.port = String((await via('127.0.0.1', port)).port);
        const reached = reach(address.href, namespace);
        if ('pool' in reached) ends.push(() => reached.pool.end());
        if ('sql' in reached) ends.push(() => reached.sql.end({ timeout: 0 }));
        const own = 'connectionString' in reached ? { ...reached, driverOptions: { application_name: namespace } } : reached;
        return createPostgresBackend({ namespace, ...own, ...settings });
      },
      residue: () => residue(namespace, namespace),
      otherProcess: {
        module: new URL('../dist-test/test/conformance-client.js', import.meta.url),
        data: { connectionString: url, namespace, ...settings },
      },
      ...(settings.strategy === 'table' ? {} : { faults: ({ disconnect, reconnect }) => ({ disconnect, reconnect }) }),
      close: () => Promise.all(ends.map((end) => end())),
    };
  });
}
