import { createManualClock } from '@holdfast/core/testing';
import { callOf, newName, requestOf } from '@holdfast/test/backend';
import { expect, it } from 'vitest';
import { Cleaner } from '../src/protocol/cleaner.js';
import type { ProtocolContext, ProtocolSettings } from '../src/protocol/context.js';
import { HoldTable } from '../src/protocol/hold-table.js';
import type { RedlockNode } from '../src/protocol/node.js';
import { releaseHolds } from '../src/protocol/release.js';
import { Trial } from '../src/protocol/trial.js';

// Servers and their connections keep the order of requests; a network may not.
it.each([
  ['frees once more a vote that came meanwhile where the release did not find it', false, 2],
  ['is enough for a vote that came meanwhile where the release found it', true, 1],
])('a release %s', async (_, wasFound, times) => {
  const clock = createManualClock();
  let asked = 0;
  let answer!: (freed: readonly boolean[]) => void;
  const prompt = { release: async () => [true] } as unknown as RedlockNode;
  const slow = {
    release: () => {
      asked += 1;
      return new Promise((resolve) => {
        answer = resolve;
      });
    },
  } as unknown as RedlockNode;
  const nodes = [prompt, prompt, slow];
  const settings = { quorum: 2, nodeTimeoutMs: 1_000, maxTtlMs: 60_000 } as ProtocolSettings;
  const context: ProtocolContext = { nodes, settings, clock, holds: new HoldTable(clock), cleaner: new Cleaner(nodes, clock, 1_000) };
  const request = requestOf(newName());
  const hold = new Trial(request, { ...request, slots: [] }, request.ttlMs, nodes.length);
  const vote = { kind: 'granted', counter: 7, taken: [] } as const;
  for (const node of [0, 1]) hold.note(node, { kind: 'answered', value: [vote] }, vote);
  hold.until = clock.now() + request.ttlMs;
  context.holds.add(request.owner, hold);

  expect(await releaseHolds(context, [request], { ...callOf(), clock })).toEqual([true]);
  hold.note(2, { kind: 'answered', value: [vote] }, vote);
  answer([wasFound]);
  await clock.settle();
  expect(asked).toBe(times);
});
