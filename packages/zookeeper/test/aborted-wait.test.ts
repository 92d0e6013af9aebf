import { systemClock } from '@holdfast/core';
import { callOf, requestOf } from '@holdfast/test/backend';
import { until } from '@holdfast/test/servers';
import { afterEach, describe, expect, it } from 'vitest';
import { nodePrefix } from '../src/node-names.js';
import { ParentNodes } from '../src/parent-nodes.js';
import { type PlaceParts, QueuePlace } from '../src/queue-place.js';
import { LaggingServers } from './lagging-servers.js';

const PARENT = '/locks/name';
const places: QueuePlace[] = [];

afterEach(async () => {
  for (const place of places.splice(0)) await place.leave();
});

function partsOn(servers: LaggingServers): PlaceParts {
  return {
    session: servers,
    parents: new ParentNodes(servers, systemClock),
    clock: systemClock,
    onLost: () => {},
    onLimitDiffers: () => {},
    onGone: () => {},
  };
}

/** Answers to reads of nodes, held back one by one. */
class HeldReads extends LaggingServers {
  readonly reads: { readonly path: string; answer(): void }[] = [];

  override async getData(path: string): ReturnType<LaggingServers['getData']> {
    await new Promise<void>((answer) => {
      this.reads.push({ path, answer });
    });
    return super.getData(path);
  }
}

/** A wait behind others, which is ended and released while the answer to one of its reads is on its way, as core does it. */
async function abortAt(read: number, inFront: number): Promise<{ readonly failure: unknown; readonly reads: number }> {
  const servers = new HeldReads();
  await servers.createUnder(PARENT, Buffer.alloc(0), 'persistent');
  for (let other = 0; other < inFront; other += 1) {
    const prefix = nodePrefix(String(other).repeat(32), requestOf('name'));
    await servers.create(`${PARENT}/${prefix}`, Buffer.alloc(0), 'ephemeral-sequential');
  }
  const place = new QueuePlace(partsOn(servers), PARENT, requestOf('name'));
  places.push(place);
  const controller = new AbortController();
  let failure: unknown = null;
  place.wait(callOf(5000, controller.signal)).then(
    () => {},
    (error: unknown) => {
      failure = error;
    },
  );
  for (let before = 0; before < read; before += 1) {
    await until('it reads', () => servers.reads.length > before);
    servers.reads[before]?.answer();
  }
  await until('it reads', () => servers.reads.length > read);
  controller.abort(new Error('the caller has gone'));
  await place.leave();
  servers.reads[read]?.answer();
  await until('the wait has ended', () => failure !== null);
  return { failure, reads: servers.reads.length };
}

/** Waits for what is free, and aborts so many ticks behind the answer to the look that grants. */
async function abortBehindGrant(ticks: number): Promise<{ readonly isGranted: boolean; readonly isHeld: boolean; readonly nodes: number }> {
  const servers = new LaggingServers();
  const controller = new AbortController();
  const look = servers.getChildren.bind(servers);
  servers.getChildren = async (path) => {
    const names = await look(path);
    const abort = async (): Promise<void> => {
      for (let tick = 0; tick < ticks; tick += 1) await Promise.resolve();
      controller.abort(new Error('the caller has gone'));
    };
    void abort();
    return names;
  };
  const place = new QueuePlace(partsOn(servers), PARENT, requestOf('name'));
  places.push(place);
  const granted = place.wait(callOf(5000, controller.signal)).then(
    () => ({ isGranted: true, isHeld: place.isHeld }),
    () => ({ isGranted: false, isHeld: place.isHeld }),
  );
  const outcome = await granted;
  if (!outcome.isGranted) await place.leave();
  return { ...outcome, nodes: servers.paths.filter((path) => path.startsWith(`${PARENT}/`)).length };
}

it('a wait that is aborted in the ticks of its grant is held or leaves nothing', async () => {
  const outcomes = await Promise.all(Array.from({ length: 40 }, (_, ticks) => abortBehindGrant(ticks)));
  for (const outcome of outcomes) {
    expect([
      { isGranted: true, isHeld: true, nodes: 1 },
      { isGranted: false, isHeld: false, nodes: 0 },
    ]).toContainEqual(outcome);
  }
  expect(new Set(outcomes.map(({ isGranted }) => isGranted))).toEqual(new Set([true, false]));
});

describe('a wait that is ended and released while an answer is on its way', () => {
  it.each([
    ['about its own node, when it is next in line', 0, 1],
    ['about its own node, further back', 0, 2],
    ['about the one in front, when it is next in line', 1, 1],
    ['about the one in front, further back', 1, 2],
  ])('ends, and asks for nothing more (%s)', async (_what, read, inFront) => {
    const { failure, reads } = await abortAt(read, inFront);
    expect(failure).toMatchObject({ message: 'the caller has gone' });
    expect(reads).toBe(read + 1);
  });
});
