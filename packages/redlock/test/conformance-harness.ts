import { randomBytes } from 'node:crypto';
import type { ConformanceHarness } from '@holdfast/core/conformance';
import { createRedlockBackend } from '@holdfast/redlock';
import { harnessOverWire } from '@holdfast/test/backend';
import { until } from '@holdfast/test/servers';
import type { Redis } from 'ioredis';
import { type NodesFixture, type OptionsHere, reachedBy } from './redlock-harness.js';

/** The names of the keys that hold a vote for a lock. */
async function votesOn(admin: Redis, prefix: string): Promise<string> {
  const keys = await admin.keys(`*${prefix}*`);
  const types = await Promise.all(keys.map((key) => admin.type(key)));
  return keys
    .filter((_, index) => types[index] === 'string')
    .sort()
    .join(' ');
}

/** Over the suite's wire to each node. */
export function wiredHarness(name: string, fixture: NodesFixture, options: OptionsHere): ConformanceHarness {
  return harnessOverWire(name, 'several', () => {
    const prefix = `c-${randomBytes(6).toString('hex')}:`;
    return {
      open: async (via) => {
        const addresses = await Promise.all(fixture.servers.map(({ port }) => via('127.0.0.1', port)));
        const urls = fixture.urls.map((url, index) => urlAt(url, addresses[index]?.port));
        return createRedlockBackend({ prefix, ...reachedBy(urls, options) });
      },
      // Fences are none of a case: there is a bounded number of them, whatever happens.
      residue: async () => {
        const found = await Promise.all(fixture.admins.map((admin) => admin.keys(`*${prefix}*`)));
        // By key and not by node: a hold is granted by a majority, and the last vote for it may come later.
        return [...new Set(found.flat())];
      },
      otherProcess: {
        module: new URL('../dist-test/test/conformance-client.js', import.meta.url),
        data: { urls: fixture.urls, prefix, ...options },
      },
      settled: () =>
        until('every node has a vote for what is held', async () => {
          const held = await Promise.all(fixture.admins.map((admin) => votesOn(admin, prefix)));
          return held.every((votes) => votes === held[0]);
        }),
    };
  });
}

function urlAt(url: string, port: number | undefined): string {
  const copy = new URL(url);
  copy.port = String(port);
  return copy.href;
}
