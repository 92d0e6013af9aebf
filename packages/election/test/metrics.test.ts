import { meterLocks } from '@holdfast/core';
import { createElection } from '@holdfast/election';
import { until } from '@holdfast/test/servers';
import { expect, it } from 'vitest';
import { twoCandidates, untilAborted } from './candidates.js';

it('an election is metered by its events: who leads, and how often somebody was elected', async () => {
  await using servers = twoCandidates({ retryMs: 60_000 });
  const [mine] = servers.elections;
  const values: (readonly [string, number, unknown])[] = [];
  const sink = {
    record: (name: string, value: number, attributes: Readonly<Record<string, unknown>>) => {
      if (name.startsWith('lock.leader')) values.push([name, value, attributes['lock.election']]);
    },
  };
  const counted = servers.locks[0].id;
  using meter = meterLocks(sink, { isCounted: (id) => id === counted });
  const run = mine.run(untilAborted);
  await until('it leads', () => mine.health().leading);
  await mine.close();
  await run;
  // Another process's: not counted here.
  await (await servers.elections[1].campaign()).release();
  await createElection(servers.locks[0], 'other').campaign();
  meter.close();
  expect(values).toEqual([
    ['lock.leader', 1, 'scheduler'],
    ['lock.leader.changes', 1, 'scheduler'],
    ['lock.leader', 0, 'scheduler'],
    ['lock.leader', 1, 'other'],
    ['lock.leader.changes', 1, 'other'],
    ['lock.leader', 0, 'other'],
  ]);
});
