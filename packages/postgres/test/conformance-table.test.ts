import { describeLockManager } from '@holdfast/core/conformance';
import { warmUp } from '@holdfast/test/backend';
import { beforeAll, describe, it } from 'vitest';
import { heldRows, wiredHarness } from './conformance-harness.js';
import { usePostgres } from './postgres-harness.js';

const postgres = usePostgres();

const harness = wiredHarness('PostgreSQL, table leases', () => postgres.server, heldRows(postgres), { strategy: 'table' });

beforeAll(() => warmUp(harness));

describeLockManager({ describe: describe.concurrent, it }, harness);
