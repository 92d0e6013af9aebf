import { createManualClock } from '@holdfast/core/testing';
import { beforeEach, describe, expect, it } from 'vitest';
import type { HoldPlan } from '../src/hold/hold-plan.js';
import { LocalTurn } from '../src/waiting/local-turn.js';
import { LocalTurns } from '../src/waiting/local-turns.js';

const lock = { mode: 'exclusive', permits: 1, limit: 1 } as HoldPlan;
const permit = { mode: 'permits', permits: 1, limit: 2 } as HoldPlan;
const ANSWER_MS = 4;
/** What a store needs that answers after 4 ms: half as long again. */
const LOOK_MS = 6;
const GLANCE_MS = 2;

const clock = createManualClock();
let own = 0;

function newTurn({ push, subscribes = true }: { readonly push: boolean; readonly subscribes?: boolean }): LocalTurn {
  const capabilities = { push } as never;
  const backend = subscribes ? { capabilities, subscribe: () => ({ close: () => {} }) } : { capabilities };
  own = 0;
  return new LocalTurn('x', { backend, holds: { shareOf: () => own }, clock });
}

/** A request that goes out at once and is answered in time. */
async function ask(turn: LocalTurn, isGranted: boolean, plan = lock): Promise<void> {
  expect(turn.pause()).toBe(0);
  await answer(turn, isGranted, plan);
}

async function answer(turn: LocalTurn, isGranted: boolean, plan = lock): Promise<void> {
  const askedAt = clock.now();
  await clock.advance(ANSWER_MS);
  if (isGranted) own += plan.permits;
  turn.answered(plan, isGranted, askedAt);
}

function end(turn: LocalTurn, plan = lock): void {
  own -= plan.permits;
  turn.holdEnded();
}

/** Hands on from one hold to the next until the turn is over; the last of them has just ended. @returns for how long, in ms */
async function handOn(turn: LocalTurn, plan = lock): Promise<number> {
  const startedAt = clock.now();
  while (!turn.mustPause() && clock.now() - startedAt < 1_000) {
    await ask(turn, true, plan);
    end(turn, plan);
  }
  return clock.now() - startedAt;
}

/** A long pause that has brought nobody. */
async function lookInVain(turn: LocalTurn): Promise<void> {
  await handOn(turn);
  expect(turn.pause()).toBeGreaterThan(GLANCE_MS);
  await clock.advance(LOOK_MS);
  await ask(turn, true);
  end(turn);
}

describe('the turn of one manager', () => {
  let turn: LocalTurn;
  beforeEach(() => {
    turn = newTurn({ push: true });
  });

  it('is over after 100 ms of holds in a row: the next request pauses once, for as long as a woken waiter needs', async () => {
    const lastedMs = await handOn(turn);
    expect(lastedMs).toBeGreaterThanOrEqual(100);
    expect(lastedMs).toBeLessThanOrEqual(100 + 2 * ANSWER_MS);
    expect(turn.pause()).toBe(LOOK_MS);
    expect(turn.mustPause()).toBe(false);
    expect(turn.pause()).toBe(0);
  });

  it('pauses shortly once a long pause has brought nobody, and for long a second later', async () => {
    await lookInVain(turn);
    const foundAt = clock.now();
    const pauses: number[] = [];
    while (clock.now() - foundAt < 1_000) {
      await handOn(turn);
      pauses.push(turn.pause());
      await clock.advance(pauses.at(-1) ?? 0);
    }
    expect(pauses.length).toBeGreaterThan(7);
    expect(pauses).toEqual([...pauses.slice(1).map(() => GLANCE_MS), LOOK_MS]);
  });

  it('pauses for long again from the first refusal on that only others can be the reason of', async () => {
    await lookInVain(turn);
    await ask(turn, false);
    await handOn(turn);
    expect(turn.pause()).toBe(LOOK_MS);
  });

  it('begins anew when the name is with others', async () => {
    await handOn(turn);
    await answer(turn, false);
    expect(turn.pause()).toBe(0);
  });

  it('goes on over a refusal that its own hold, or a release under way, is the reason of', async () => {
    await ask(turn, true);
    end(turn);
    await clock.advance(60);
    own = 1;
    expect(turn.pause()).toBe(0);
    // The answer to the release comes before the refusal.
    own = 0;
    await answer(turn, false);
    own = 1;
    await clock.advance(60);
    expect(turn.mustPause()).toBe(true);
  });

  it('of permits goes on while this manager has some, and knows of others by what its own do not explain', async () => {
    await lookInVain(turn);
    own = 2;
    await ask(turn, false, permit);
    await handOn(turn, permit);
    expect(turn.pause()).toBe(GLANCE_MS);
    own = 1;
    await ask(turn, false, permit);
    await handOn(turn, permit);
    expect(turn.pause()).toBe(LOOK_MS);
  });

  it('is over by itself when this manager has had nothing of the name for as long as a pause', async () => {
    await handOn(turn);
    await clock.advance(LOOK_MS);
    expect(turn.mustPause()).toBe(false);
    expect(turn.pause()).toBe(0);
  });

  it('pauses for no longer than a turn, however slow the store', async () => {
    await handOn(turn);
    const askedAt = clock.now();
    await clock.advance(400);
    own = 1;
    turn.answered(lock, true, askedAt);
    end(turn);
    expect(turn.pause()).toBe(100);
  });
});

describe('where waiters are woken by no message', () => {
  it('a pause is as long as those need that ask often', async () => {
    const turn = newTurn({ push: false });
    // So that the name stands idle for a small part of the time.
    expect(await handOn(turn)).toBeGreaterThanOrEqual(4 * (30 + ANSWER_MS));
    expect(turn.pause()).toBe(30 + ANSWER_MS);
  });

  it('and ask by a backoff alone, a pause is as long as a turn once others are known to be there', async () => {
    const turn = newTurn({ push: false, subscribes: false });
    await handOn(turn);
    expect(turn.pause()).toBe(30 + ANSWER_MS);
    await clock.advance(100);
    await answer(turn, false);
    await handOn(turn);
    expect(turn.pause()).toBe(100);
  });
});

describe('the turns of a manager', () => {
  const services = {
    backend: { capabilities: { push: true } } as never,
    holds: { shareOf: (key: string) => (key === 'held' ? 1 : 0) },
    clock,
  };

  it('outlast the queues of their names, and are forgotten when nothing has been asked for a second', async () => {
    const turns = new LocalTurns(services);
    const [first, held] = [turns.open('first'), turns.open('held')];
    expect(turns.open('first')).toBe(first);
    await clock.advance(1_000);
    for (let i = 0; i < 4; i += 1) turns.open(`other ${i}`);
    expect(turns.find('first')).toBeUndefined();
    expect(turns.find('held')).toBe(held);
    await clock.advance(1_000);
    for (let i = 0; i < 200; i += 1) turns.open(`late ${i}`);
    expect([0, 1, 2, 3].map((i) => turns.find(`other ${i}`))).toEqual([undefined, undefined, undefined, undefined]);
  });
});
