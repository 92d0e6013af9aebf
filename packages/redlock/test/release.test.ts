import { createManualClock } from '@holdfast/core/testing';
import { callOf, newName, requestOf } from '@holdfast/test/backend';
import { expect, it } from 'vitest';
import { Cleaner } from '../src/protocol/cleaner.js';
import type { ProtocolContext, ProtocolSettings } from '../src/protocol/context.js';
import { HoldTable } from '../src/protocol/hold-table.js';
import { NodeFailure, type RedlockNode } from '../src/protocol/node.js';
import { releaseHolds } from '../src/protocol/release.js';
import { Trial } from '../src/protocol/trial.js';

/** Three nodes of which the last keeps its release waiting; the hold has the votes of the others. */
function createRelease() {
  const clock = createManualClock();
  const world = { asked: 0, answer: (_freed: readonly boolean[]): void => {}, fail: (_error: NodeFailure): void => {} };
  const prompt = { release: async () => [true] } as unknown as RedlockNode;
  const slow = {
    release() {
      world.asked += 1;
      if (world.asked > 1) return Promise.resolve([true]);
      return new Promise((resolve, reject) => {
        world.answer = resolve;
        world.fail = reject;
      });
    },
  } as unknown as RedlockNode;
  const nodes = [prompt, prompt, slow];
  const settings = { quorum: 2, nodeTimeoutMs: 1_000, maxTtlMs: 60_000 } as ProtocolSettings;
  const context: ProtocolContext = { nodes, settings, clock, holds: new HoldTable(clock), cleaner: new Cleaner(nodes, clock, 1_000) };
  const request = requestOf(newName());
  const hold = new Trial(request, { ...request, slots: [] }, request.ttlMs, nodes.length);
  for (const node of [0, 1]) hold.note(node, { kind: 'answered', value: [vote] }, vote);
  hold.until = clock.now() + request.ttlMs;
  context.holds.add(request.owner, hold);
  return { world, clock, hold, release: () => releaseHolds(context, [request], { ...callOf(), clock }) };
}

const vote = { kind: 'granted', counter: 7, taken: [] } as const;

// Servers and their connections keep the order of requests; a network may not.
it.each([
  ['frees once more a vote that came meanwhile where the release did not find it', false, 2],
  ['is enough for a vote that came meanwhile where the release found it', true, 1],
])('a release %s', async (_, wasFound, times) => {
  const { world, clock, hold, release } = createRelease();
  expect(await release()).toEqual([true]);
  hold.note(2, { kind: 'answered', value: [vote] }, vote);
  world.answer([wasFound]);
  await clock.advance(5_000);
  expect(world.asked).toBe(times);
});

it.each([
  ['twice when the vote was not answered either', true, 3],
  ['once when the vote was answered', false, 2],
])('a release that is not answered is followed by frees, %s', async (_, wasCut, times) => {
  const { world, clock, hold, release } = createRelease();
  expect(await release()).toEqual([true]);
  const cut = new NodeFailure('cut', { mayHappen: true, retryable: true });
  if (wasCut) hold.note(2, { kind: 'failed', failure: cut }, undefined);
  else hold.note(2, { kind: 'answered', value: [vote] }, vote);
  world.fail(cut);
  await clock.advance(5_000);
  expect(world.asked).toBe(times);
});
