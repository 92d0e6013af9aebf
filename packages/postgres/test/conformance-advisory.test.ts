import { describeLockManager } from '@holdfast/core/conformance';
import { warmUp } from '@holdfast/test/backend';
import { beforeAll, describe, it } from 'vitest';
import { heldKeys, wiredHarness } from './conformance-harness.js';
import { usePostgres } from './postgres-harness.js';

const postgres = usePostgres();

const harness = wiredHarness('PostgreSQL, advisory locks', () => postgres.server, heldKeys(postgres), { sessionMs: 6_000 });

beforeAll(() => warmUp(harness));

describeLockManager({ describe: describe.concurrent, it }, harness);
