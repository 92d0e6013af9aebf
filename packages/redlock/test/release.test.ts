import type { ReleaseAnswer } from '@holdfast/core';
import { createManualClock } from '@holdfast/core/testing';
import { callOf, newName, requestOf } from '@holdfast/test/backend';
import { describe, expect, it } from 'vitest';
import { Cleaner } from '../src/protocol/cleaner.js';
import type { ProtocolContext, ProtocolSettings } from '../src/protocol/context.js';
import { FreedVotes } from '../src/protocol/freed-votes.js';
import { HoldTable } from '../src/protocol/hold-table.js';
import { NodeWatch } from '../src/protocol/node-watch.js';
import { NodeFailure, type RedlockNode, type Release } from '../src/protocol/node.js';
import { releaseHolds } from '../src/protocol/release.js';
import { Trial } from '../src/protocol/trial.js';

const FINAL: Release = { wasFreed: true, isFinal: true };
const OPEN: Release = { wasFreed: true, isFinal: false };
const ABSENT: Release = { wasFreed: false, isFinal: true };
const CUT = new NodeFailure('cut', { mayHappen: true, retryable: true });

/** Three nodes, a hold with the votes of all, and what each node says to the releases that it gets: the last of its list from then on. */
function createRelease(...scripts: readonly (readonly (Release | NodeFailure)[])[]) {
  const clock = createManualClock();
  const asked = scripts.map(() => 0);
  const nodes = scripts.map(
    (script, index) =>
      ({
        async release() {
          const answer = script[Math.min(asked[index] ?? 0, script.length - 1)] ?? FINAL;
          asked[index] = (asked[index] ?? 0) + 1;
          if (answer instanceof NodeFailure) throw answer;
          return [answer];
        },
      }) as unknown as RedlockNode,
  );
  const settings = { quorum: 2, nodeTimeoutMs: 1_000, maxTtlMs: 60_000 } as ProtocolSettings;
  const freedVotes = new FreedVotes(clock);
  const cleaner = new Cleaner(nodes, clock, 1_000, freedVotes);
  const context: ProtocolContext = {
    nodes,
    settings,
    clock,
    holds: new HoldTable(clock),
    cleaner,
    freedVotes,
    watch: new NodeWatch(nodes),
    onLost: () => {},
    onLimitDiffers: () => {},
  };
  const request = requestOf(newName());
  const hold = new Trial(request, { ...request, slots: [] }, request.ttlMs, nodes.length);
  hold.until = clock.now() + request.ttlMs;
  context.holds.add(request.owner, hold);
  const release = async (): Promise<ReleaseAnswer | undefined> => (await releaseHolds(context, [request], { ...callOf(), clock }))[0];
  return { asked, clock, release };
}

describe('a release', () => {
  it('asks each node once when every answer is final', async () => {
    const { asked, clock, release } = createRelease([FINAL], [FINAL], [FINAL]);
    expect(await release()).toEqual({ wasOurs: true, isFinal: true });
    await clock.advance(5_000);
    expect(asked).toEqual([1, 1, 1]);
  });

  it('is repeated on a node until its answer is final', async () => {
    const { asked, clock, release } = createRelease([FINAL], [FINAL], [OPEN, OPEN, FINAL]);
    expect(await release()).toEqual({ wasOurs: true, isFinal: true });
    await clock.advance(5_000);
    expect(asked).toEqual([1, 1, 3]);
  });

  it('is repeated on a node that did not answer, until the hold has ended there', async () => {
    const { asked, clock, release } = createRelease([FINAL], [FINAL], [CUT]);
    await release();
    await clock.advance(60_000);
    const soFar = asked[2] ?? 0;
    expect(soFar).toBeGreaterThan(3);
    await clock.advance(60_000);
    expect(asked).toEqual([1, 1, soFar]);
  });

  it('is not final while so many nodes may yet grant that it would be a quorum', async () => {
    const { clock, release } = createRelease([OPEN, FINAL], [OPEN, FINAL], [FINAL]);
    expect(await release()).toEqual({ wasOurs: true, isFinal: false });
    await clock.advance(1_000);
    expect(await release()).toMatchObject({ isFinal: true });
  });

  it('has no outcome when one node freed it, another had nothing and the third does not answer', async () => {
    const { release } = createRelease([FINAL], [ABSENT], [CUT]);
    await expect(release()).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE', wasSent: true });
  });

  it('counts what was freed for an earlier release without an outcome', async () => {
    const { release } = createRelease([FINAL, ABSENT], [CUT, FINAL, ABSENT], [CUT]);
    await expect(release()).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE' });
    expect(await release()).toMatchObject({ wasOurs: true });
  });

  it('counts what was freed in the background since an earlier release without an outcome', async () => {
    const { asked, clock, release } = createRelease([FINAL, ABSENT], [CUT, FINAL, ABSENT], [CUT]);
    await expect(release()).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE' });
    await clock.advance(100);
    expect(asked[1]).toBe(2);
    expect(await release()).toMatchObject({ wasOurs: true });
  });
});
