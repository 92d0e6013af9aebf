import { describe, expect, it } from 'vitest';
import { type PushRules, type PushSetting, pushRules, pushSetting } from './model/push-rules.js';
import { walkPush } from './model/push-walk.js';

const exclusive = { kind: 'exclusive', permits: 1 } as const;
const [read, write] = [{ kind: 'read', permits: 1 } as const, { kind: 'write', permits: 1 } as const];
const permits = (count: number): PushSetting['waits'][number] => ({ kind: 'permits', permits: count });

const set = (on: Partial<PushSetting>): PushSetting => ({ ...pushSetting, ...on });
const plain = set({ isFair: false, waits: [exclusive, exclusive], attempts: 3 });
const readersAndWriters = set({ waits: [write, read, read], attempts: 4, mostMessages: 6 });
const weights = set({ waits: [permits(1), permits(2)], limit: 2, attempts: 4, mostMessages: 6 });
const three = set({ managers: 3, mostMessages: 6 });
/** One manager that does all at once, beside one that does what it likes and may die. */
const prompt = set({ slips: 0, deaths: 1, attempts: 3, prompt: { who: 'all', lostPushes: 0, idle: 5 } });
/** Two of three may die with several places each. */
const manyDead = set({ ...prompt, managers: 3, deaths: 2, waits: [exclusive, exclusive], attempts: 3, mostMessages: 7 });

/** What may happen without harm. */
const around: readonly (readonly [string, PushSetting])[] = [
  ['two managers wait for a lock', pushSetting],
  ['three managers wait for a lock', three],
  ['each manager has several waiters in the queue', set({ waits: [exclusive, exclusive], attempts: 3, mostMessages: 6 })],
  ['managers hand on to waiters of their own', plain],
  ['readers and writers wait', readersAndWriters],
  ['semaphores are asked for different numbers of permits', weights],
  ['holds are forced', set({ forcedReleases: 1, mostMessages: 6 })],
  ['permits are forced', { ...weights, forcedReleases: 1 }],
  ['a successor takes over that lacks the last write', set({ failover: 0, slips: 0, mostMessages: 6 })],
  ['a successor takes over whose clock is ahead', set({ failover: 2, slips: 0, mostMessages: 6 })],
  ['managers die', set({ deaths: 1, managers: 3, mostMessages: 6 })],
  ['the ttl is shorter than the provisional time', set({ ttl: 2, slips: 0 })],
  ['no name stays idle', prompt],
  ['no name stays idle, though two managers die with several places', manyDead],
  ['no name stays idle, though messages are lost', { ...prompt, prompt: { who: 'all', lostPushes: 2, idle: 5 } }],
];

const mutant = (change: Partial<PushRules>, on: PushSetting = pushSetting): PushSetting => ({ ...on, rules: { ...pushRules, ...change } });
/** Little time, so that what is rare comes soon. */
const tight = set({ provisional: 2, guard: 1, ttl: 3, alive: 2, interval: 1, timeout: 1, slips: 0 });

/** What is wrong with each, where it shows, and from which seed on it shows soon. */
const mutants: readonly (readonly [string, PushSetting, seed: number])[] = [
  ['the head counts from the last sign that it sent', mutant({ headCountsFrom: 'its-last-sign' }), 8],
  ['the head counts from when it hears', mutant({ headCountsFrom: 'receipt' }), 8],
  ['the head counts from the last sign that was answered', mutant({ headCountsFrom: 'its-last-refusal' }, tight), 5],
  ['a sign of another server counts', mutant({ knowsServerOfSign: false }, set({ failover: 2, slips: 0, mostMessages: 6 })), 2],
  ['a confirmation creates', mutant({ confirmsBy: 'acquire' }), 8],
  ['a confirmation shortens', mutant({ startsWithShortTtl: true, confirmationShortens: true }, set({ ttl: 2, slips: 0 })), 8],
  ['there is no guard', mutant({ keepsGuard: false }), 8],
  ['what comes for one that holds is given back', mutant({ declines: true }), 8],
  ['a wait that is given up is not undone', mutant({ undoes: false }), 8],
  ['a doubt is judged by when the answer was heard', mutant({ doubtEnds: 'heard-later' }), 8],
  ['any release ends a doubt', mutant({ doubtEnds: 'with-any-release' }), 8],
  ['a release beside an unanswered request ends a wait', mutant({ mindsUnanswered: false }), 8],
  ['requests do not expire', mutant({ requestsExpire: false }), 8],
  ["the next one's request does not expire", mutant({ nextExpires: false }, plain), 4],
  ['the provisional time counts from the grant', mutant({ serverCountsFrom: 'grant' }, manyDead), 8],
  ['the dead are granted', mutant({ looksAtLife: false }, manyDead), 8],
  ['nobody asks when a provisional hold ends', mutant({ asksAtEnd: false }, prompt), 8],
  ['a sign of life hands nothing on', mutant({ handsOnAtSigns: false }, prompt), 8],
  ['a waiter of whom nobody hears loses its place', mutant({ keepsUnheard: false }), 8],
  ['one is granted where several fit', mutant({ grantsAllThatFit: false }, readersAndWriters), 8],
  ['the small pass the large', mutant({ letsPass: true }, weights), 8],
  ['readers pass a writer in front', mutant({ readersMindWriters: false }, readersAndWriters), 8],
  ['permits are not weighed', mutant({ weighs: false }, weights), 8],
  ['a manager hands on to itself without an end', mutant({ turnEnds: false }, plain), 8],
];

const WALKED = 25_000;
const MUTANT_WALKED = 2_000_000;

describe('hand-over by push', () => {
  it.each(around)('keeps its properties when %s', { timeout: 120_000 }, (_, on) => {
    expect(walkPush(on, WALKED, 11).violation).toBeNull();
  });

  it.each(mutants)('is seen to be broken when %s', { timeout: 120_000 }, (_, on, seed) => {
    expect(walkPush(on, MUTANT_WALKED, seed).violation).not.toBeNull();
  });
});
