import { createManualClock } from '@holdfast/core/testing';
import { callOf, requestOf } from '@holdfast/test/backend';
import { expect, it } from 'vitest';
import { AnnouncedLines } from '../src/announced-lines.js';
import { KeySpace } from '../src/key-space.js';
import { LifeRounds } from '../src/life-rounds.js';
import { QueuePlace } from '../src/queue-place.js';
import { QueuePlaces } from '../src/queue-places.js';

/** The rounds of a manager in whose line for one name so many wait, since `since`; and how many each sign of life said, and when. */
function roundsOf(line: { waiters: number; since: number }, connection: object | null = {}) {
  const clock = createManualClock();
  const signs: { readonly at: number; readonly waiters: number | undefined }[] = [];
  const lines = new AnnouncedLines((key) => key);
  const rounds = new LifeRounds(
    {
      clock,
      commands: {
        refresh: (names) => {
          signs.push({ at: clock.now(), waiters: names[0]?.line?.waiters });
          return Promise.resolve(names.map(() => null));
        },
      },
      isCluster: false,
      connection: () => connection,
      moving: { concerns: () => false },
    },
    new QueuePlaces((key) => key),
    lines,
  );
  const request = requestOf('a name');
  line.since += clock.now();
  const close = lines.open(request, new KeySpace('', '').keysOf(request.name, 'x'), () => ({
    waiters: line.waiters,
    oldestWaitMs: clock.now() - line.since,
  }));
  rounds.begin(null);
  return { clock, signs, rounds, close, start: clock.now() };
}

it('says less than once a second that those who wait are still there', async () => {
  const { clock, signs, start } = roundsOf({ waiters: 3, since: 0 });
  await clock.advance(10_500);
  // The first, of which the store knows nothing yet, and one each 1,050 ms.
  expect(signs.map(({ at }) => at - start)).toEqual([900, 1950, 3000, 4050, 5100, 6150, 7200, 8250, 9300, 10_350]);
});

it.each([
  [1, 'at once', 900],
  [899, 'just before the look', 900],
  [901, 'just behind the look', 1050],
])('says within 900 ms how many wait when that changes %d ms after a sign', async (afterMs, _when, saidAfterMs) => {
  const line = { waiters: 3, since: 0 };
  const { clock, signs } = roundsOf(line);
  await clock.advance(900);
  const last = signs[0]?.at ?? 0;
  await clock.advance(afterMs);
  line.waiters = 5;
  await clock.advance(1_100 - afterMs);
  expect(signs.slice(1)).toEqual([{ at: last + saidAfterMs, waiters: 5 }]);
});

it('says as early that the one who had waited the longest has gone', async () => {
  const line = { waiters: 3, since: -5_000 };
  const { clock, signs } = roundsOf(line);
  await clock.advance(900);
  line.since += 2_000;
  await clock.advance(900);
  expect(signs.length).toBe(2);
});

it('makes no connection only to say how many wait', async () => {
  const { clock, signs } = roundsOf({ waiters: 3, since: 0 }, null);
  await clock.advance(5_000);
  expect(signs).toEqual([]);
});

it('says nothing when the line has ended', async () => {
  const { clock, signs, rounds, close } = roundsOf({ waiters: 3, since: 0 });
  await clock.advance(900);
  close();
  rounds.rest();
  await clock.advance(5_000);
  expect(signs.length).toBe(1);
});

/** When a manager with one place in a queue says that it is there, where so much is left of what stands at its first sign. */
async function signsBehind(remainingMs: number | null): Promise<readonly number[]> {
  const clock = createManualClock();
  const signs: number[] = [];
  const places = new QueuePlaces((key) => key);
  const keySpace = new KeySpace('', '');
  const start = clock.now();
  const endsAt = remainingMs === null ? null : start + 1050 + remainingMs;
  const rounds = new LifeRounds(
    {
      clock,
      commands: {
        refresh: (names) => {
          signs.push(clock.now() - start);
          const leftMs = endsAt === null || endsAt < clock.now() ? null : endsAt - clock.now();
          return Promise.resolve(names.map(() => ({ serverMs: clock.now(), remainingMs: leftMs, granted: [] })));
        },
      },
      isCluster: false,
      connection: () => null,
      moving: { concerns: () => false },
    },
    places,
    new AnnouncedLines((key) => key),
  );
  const request = requestOf('a name');
  places.enter(new QueuePlace(request, keySpace.keysOf(request.name, 'x'), 'm'.repeat(16), { ...callOf(), clock }));
  rounds.begin(null);
  await clock.advance(3_000);
  rounds.close();
  return signs;
}

it.each([
  ['nobody can tell when it ends', null, [1050, 2100]],
  ['it ends after the next sign', 1300, [1050, 2100, 2352]],
  ['it ends before the next sign', 930, [1050, 1982]],
  ['it ends at once', 0, [1050, 1070, 2120]],
])('asks again just when what stands has ended, as what a dead manager was granted does: %s', async (_when, remainingMs, signs) => {
  expect((await signsBehind(remainingMs)).slice(0, signs.length)).toEqual(signs);
});
