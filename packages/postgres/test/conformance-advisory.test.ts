import { describeLockManager } from '@holdfast/core/conformance';
import { beforeAll, describe, it } from 'vitest';
import { warmUp, wiredHarness } from './conformance-harness.js';
import { usePostgres } from './postgres-harness.js';

const postgres = usePostgres();

const harness = wiredHarness(
  'PostgreSQL, advisory locks',
  () => postgres.server,
  async (applicationName) => {
    const { rows } = await postgres.admin.query<{ readonly key: string }>(
      `select format('%s %s %s %s', pid, classid, objid, mode) as key from pg_locks join pg_stat_activity using (pid)
       where locktype = 'advisory' and application_name = $1`,
      [applicationName],
    );
    return rows.map(({ key }) => key);
  },
  { sessionMs: 6_000 },
);

beforeAll(() => warmUp(harness));

describeLockManager({ describe, it: it.concurrent }, harness);
