import { createLockManager } from '@holdfast/core';
import { documentedRoundTrips, type LockKindName, lockKinds, measureRoundTrips } from '@holdfast/test/backend';
import { newRedisWire, RoundTripCounter } from '@holdfast/test/servers';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { useNodes } from './redlock-harness.js';

const fixture = useNodes(3);
let counter: RoundTripCounter;

beforeEach(async () => {
  counter = await RoundTripCounter.open(
    fixture.servers.map(({ port }) => port),
    newRedisWire,
  );
});
afterEach(() => counter.close());

it.each(Object.keys(lockKinds) as LockKindName[])('%s takes as many round trips as the page says', async (kind) => {
  const urls = counter.ports.map((port) => `redis://127.0.0.1:${port}`);
  const counted = createLockManager(fixture.backend({ urls }), { ttlMs: 60_000 });
  const other = createLockManager(fixture.backend(), { ttlMs: 60_000 });
  const measured = await measureRoundTrips(kind, { counted, other, during: (work) => counter.during(work) });
  expect(measured).toEqual(await documentedRoundTrips('Redlock'));
  await Promise.all([counted.close(), other.close()]);
});
