import { describeLockManager } from '@holdfast/core/conformance';
import { warmUp } from '@holdfast/test/backend';
import { beforeAll, describe, it } from 'vitest';
import { heldRows, wiredHarness } from '../../conformance-harness.js';
import { usePostgres } from '../../postgres-harness.js';
import { reachBySql } from '../reach-by-sql.js';

const database = usePostgres({ max_connections: 300 });

const harness = wiredHarness('postgres.js, table leases', () => database.server, heldRows(database), { strategy: 'table' }, reachBySql);

beforeAll(() => warmUp(harness));

describeLockManager({ describe: describe.concurrent, it }, harness);
