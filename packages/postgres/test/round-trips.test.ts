import { createLockManager } from '@holdfast/core';
import { documentedRoundTrips, type LockKindName, lockKinds, measureRoundTrips } from '@holdfast/test/backend';
import { newPostgresWire, RoundTripCounter } from '@holdfast/test/servers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { usePostgres } from './postgres-harness.js';

const postgres = usePostgres();
let counter: RoundTripCounter;

beforeEach(async () => {
  counter = await RoundTripCounter.open([postgres.server.port], newPostgresWire);
});
afterEach(() => counter.close());

describe.each([
  { row: 'PostgreSQL, advisory', strategy: 'advisory' },
  { row: 'PostgreSQL, table', strategy: 'table' },
] as const)('$row', ({ row, strategy }) => {
  it.each(Object.keys(lockKinds) as LockKindName[])('%s takes as many round trips as the page says', async (kind) => {
    const url = new URL(postgres.server.url);
    url.port = String(counter.ports[0]);
    const counted = createLockManager(postgres.backend({ strategy, connectionString: url.href }), { ttlMs: 60_000 });
    const other = createLockManager(postgres.backend({ strategy }), { ttlMs: 60_000 });
    const measured = await measureRoundTrips(kind, { counted, other, during: (work) => counter.during(work) });
    expect(measured).toEqual(await documentedRoundTrips(row));
    await Promise.all([counted.close(), other.close()]);
  });
});
