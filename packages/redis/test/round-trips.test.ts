import { createLockManager } from '@holdfast/core';
import { documentedRoundTrips, type LockKindName, lockKinds, measureRoundTrips } from '@holdfast/test/backend';
import { newRedisWire, RoundTripCounter } from '@holdfast/test/servers';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { useRedis } from './redis-harness.js';

const redis = useRedis();
let counter: RoundTripCounter;

beforeEach(async () => {
  counter = await RoundTripCounter.open([redis.server.port], newRedisWire);
});
afterEach(() => counter.close());

describe.each([
  { row: 'Redis', fair: false },
  { row: 'Redis, fair', fair: true },
])('$row', ({ row, fair }) => {
  it.each(Object.keys(lockKinds) as LockKindName[])('%s takes as many round trips as the page says', async (kind) => {
    const counted = createLockManager(redis.backend({ fair, url: `redis://127.0.0.1:${counter.ports[0]}` }), { ttlMs: 60_000 });
    const other = createLockManager(redis.backend({ fair }), { ttlMs: 60_000 });
    const measured = await measureRoundTrips(kind, { counted, other, during: (work) => counter.during(work) });
    expect(measured).toEqual(await documentedRoundTrips(row));
    await Promise.all([counted.close(), other.close()]);
  });
});
