import { describeLockManager } from '@holdfast/core/conformance';
import postgres from 'postgres';
import { beforeAll, describe, it } from 'vitest';
import { heldKeys, heldRows, warmUp, wiredHarness } from '../conformance-harness.js';
import { usePostgres } from '../postgres-harness.js';

const database = usePostgres({ max_connections: 300 });

const reach = (url: string, applicationName: string) => ({
  sql: postgres(url, { max: 6, onnotice: () => {}, connection: { application_name: applicationName } }),
});

const settings = { sessionMs: 6_000 };
const advisory = wiredHarness('postgres.js, advisory locks', () => database.server, heldKeys(database), settings, reach);
const table = wiredHarness('postgres.js, leases in a table', () => database.server, heldRows(database), { strategy: 'table' }, reach);

beforeAll(() => warmUp(advisory));

for (const harness of [advisory, table]) describeLockManager({ describe, it: it.concurrent }, harness);
