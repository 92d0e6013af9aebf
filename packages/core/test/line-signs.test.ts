import { LineSigns, SIGN_VALID_MS } from '@holdfast/core/backend';
import { createManualClock } from '@holdfast/core/testing';
import { expect, it } from 'vitest';

interface World {
  readonly clock: ReturnType<typeof createManualClock>;
  readonly signs: LineSigns<string>;
  /** What the store was notified of, and when. */
  readonly sent: string[];
  /** Whether the store answers. */
  answers: boolean;
}

function createWorld(): World {
  const clock = createManualClock();
  const world: World = {
    clock,
    sent: [],
    answers: true,
    signs: new LineSigns<string>(clock, async (signs) => {
      for (const { key, waiters, oldestWaitMs } of signs) world.sent.push(`${clock.now()}: ${waiters} wait for ${key}, ${oldestWaitMs} ms`);
      if (!world.answers) throw new Error('no answer');
    }),
  };
  return world;
}

it('tells of a wait that lasts, and takes it back when it is over', async () => {
  const { clock, signs, sent } = createWorld();
  const since = clock.now();
  const line = signs.open('a', 'A', () => ({ waiters: 2, oldestWaitMs: clock.now() - since }));
  await clock.advance(1_000);
  expect(sent).toEqual(['250: 2 wait for A, 250 ms']);
  line.close();
  await clock.advance(2_000);
  expect(sent.slice(1)).toEqual(['1150: 0 wait for A, 0 ms']);
  expect(clock.pendingTimers).toBe(0);
});

it('says nothing of a wait that is soon over', async () => {
  const { clock, signs, sent } = createWorld();
  const line = signs.open('a', 'A', () => ({ waiters: 1, oldestWaitMs: 0 }));
  await clock.advance(100);
  line.close();
  await clock.advance(10_000);
  expect(sent).toEqual([]);
  expect(clock.pendingTimers).toBe(0);
});

it('tells of a change within a second, of all names at once, and of what does not change every few seconds', async () => {
  const { clock, signs, sent } = createWorld();
  let waiters = 1;
  signs.open('a', 'A', () => ({ waiters, oldestWaitMs: clock.now() }));
  signs.open('b', 'B', () => ({ waiters: 1, oldestWaitMs: clock.now() }));
  await clock.advance(300);
  expect(sent).toHaveLength(2);
  waiters = 5;
  await clock.advance(1_000);
  expect(sent.slice(2)).toEqual(['1150: 5 wait for A, 1150 ms']);
  await clock.advance(60_000);
  // A sign must be sent anew before the store forgets the last one. With a request every 2 s a waiter then costs less than one a second.
  const times = sent.filter((line) => line.includes(' A,')).map((line) => Number.parseInt(line, 10));
  for (const [index, at] of times.entries()) expect(at - (times[index - 1] ?? 0)).toBeLessThanOrEqual(SIGN_VALID_MS - 450);
  expect((times.length - 2) / 60).toBeLessThan(1 - 1 / 1.96);
  // Those of all names go together, whenever they were said first.
  expect(sent.slice(-2).map((line) => Number.parseInt(line, 10))).toEqual([times.at(-1), times.at(-1)]);
});

it('lets requests that are sent anyway confirm what was said, and says nothing besides', async () => {
  const { clock, signs, sent } = createWorld();
  let waiters = 1;
  signs.open('a', 'A', () => ({ waiters, oldestWaitMs: clock.now() }));
  expect(signs.riding('a')).toBe(null);
  await clock.advance(300);
  expect(sent).toHaveLength(1);
  // It has just been said.
  expect(signs.riding('a')).toBe(null);
  expect(signs.riding('b')).toBe(null);
  for (let round = 0; round < 10; round += 1) {
    await clock.advance(1_500);
    signs.riding('a')?.taken();
  }
  expect(sent).toHaveLength(1);
  // What is new goes by a sign.
  waiters = 2;
  await clock.advance(600);
  expect(sent).toHaveLength(2);
  await clock.advance(600);
  waiters = 3;
  expect(signs.riding('a')).toBe(null);
  await signs.close();
  expect(signs.riding('a')).toBe(null);
});

it('says again what a request was to confirm that had no answer, or met nothing to confirm', async () => {
  const { clock, signs, sent } = createWorld();
  signs.open('a', 'A', () => ({ waiters: 1, oldestWaitMs: clock.now() }));
  await clock.advance(1_700);
  expect(signs.riding('a')).not.toBe(null);
  await clock.advance(1_000);
  expect(sent).toHaveLength(2);
  await signs.close();
});

it('lets a request confirm only what was said before it', async () => {
  const { clock, signs, sent } = createWorld();
  let waiters = 1;
  signs.open('a', 'A', () => ({ waiters, oldestWaitMs: clock.now() }));
  await clock.advance(1_700);
  const riding = signs.riding('a');
  waiters = 2;
  await clock.advance(600);
  expect(sent).toHaveLength(2);
  riding?.taken();
  await clock.advance(600);
  expect(sent).toHaveLength(2);
  await signs.close();
});

it('tells since when anew when the first of the line has gone', async () => {
  const { clock, signs, sent } = createWorld();
  let since = 0;
  signs.open('a', 'A', () => ({ waiters: 2, oldestWaitMs: clock.now() - since }));
  await clock.advance(300);
  since = 290;
  await clock.advance(1_000);
  expect(sent).toEqual(['250: 2 wait for A, 250 ms', '1150: 2 wait for A, 860 ms']);
});

it('says again what was not answered, and takes back what may stand for as long as it may', async () => {
  const world = createWorld();
  const { clock, signs, sent } = world;
  world.answers = false;
  const line = signs.open('a', 'A', () => ({ waiters: 1, oldestWaitMs: clock.now() }));
  await clock.advance(2_500);
  expect(sent).toHaveLength(3);
  line.close();
  await clock.advance(60_000);
  const taken = sent.slice(3);
  expect(taken.length).toBeGreaterThan(1);
  expect(taken.every((text) => text.includes(': 0 wait'))).toBe(true);
  expect(Number.parseInt(taken.at(-1) ?? '', 10)).toBeLessThanOrEqual(2_500 + SIGN_VALID_MS);
  expect(clock.pendingTimers).toBe(0);
});

it('says nothing when it is closed', async () => {
  const { clock, signs, sent } = createWorld();
  signs.open('a', 'A', () => ({ waiters: 1, oldestWaitMs: 0 }));
  await signs.close();
  await clock.advance(10_000);
  expect(sent).toEqual([]);
  expect(clock.pendingTimers).toBe(0);
});

it('takes back what stands when it is closed, behind the sign that is on its way', async () => {
  const { clock, signs, sent } = createWorld();
  signs.open('a', 'A', () => ({ waiters: 1, oldestWaitMs: 0 }));
  signs.open('b', 'B', () => ({ waiters: 0, oldestWaitMs: 0 }));
  await clock.advance(300);
  await signs.close();
  expect(sent).toEqual(['250: 1 wait for A, 0 ms', '300: 0 wait for A, 0 ms']);
  await clock.advance(10_000);
  expect(sent).toHaveLength(2);
  expect(clock.pendingTimers).toBe(0);
});
