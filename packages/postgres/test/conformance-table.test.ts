import { describeLockManager } from '@holdfast/core/conformance';
import { beforeAll, describe, it } from 'vitest';
import { warmUp, wiredHarness } from './conformance-harness.js';
import { usePostgres } from './postgres-harness.js';

const postgres = usePostgres();

const harness = wiredHarness(
  'PostgreSQL, table leases',
  () => postgres.server,
  async (_, namespace) => {
    // A row stays for an hour, for its fence's sake; what it holds does not.
    const { rows } = await postgres.admin.query<{ readonly key: string }>(
      `select kind || ' ' || encode(name, 'hex') as key from holdfast.leases where namespace = $1
       and (expires_at > clock_timestamp() or writer_waits_until > clock_timestamp())`,
      [namespace],
    );
    return rows.map(({ key }) => key);
  },
  { strategy: 'table' },
);

beforeAll(() => warmUp(harness));

describeLockManager({ describe, it: it.concurrent }, harness);
