import { describeLockManager } from '@holdfast/core/conformance';
import { warmUp } from '@holdfast/test/backend';
import { beforeAll, describe, it } from 'vitest';
import { heldKeys, wiredHarness } from '../conformance-harness.js';
import { usePostgres } from '../postgres-harness.js';
import { reachBySql } from './reach-by-sql.js';

const database = usePostgres({ max_connections: 300 });

const harness = wiredHarness('postgres.js, advisory locks', () => database.server, heldKeys(database), { sessionMs: 6_000 }, reachBySql);

beforeAll(() => warmUp(harness));

describeLockManager({ describe: describe.concurrent, it }, harness);
