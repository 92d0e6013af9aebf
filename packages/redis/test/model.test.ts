import { describe, expect, it } from 'vitest';
import { type Rules, rules, type Setting, setting } from './model/expire-model.js';
import { search, type Violation, walk } from './model/explore.js';

const calm: Setting = { ...setting, slips: false };

/** What may happen without harm. */
const around: readonly (readonly [string, Setting])[] = [
  ['messages are late, lost and cross, and the local clock slips', setting],
  ['a driver sends twice, and is distrusted', { ...setting, resends: true, rules: { ...rules, distrustsCopies: true } }],
  ["the server's clock jumps ahead", { ...calm, jump: 4 }],
  ["the server's clock jumps back within the margin", { ...calm, jump: -2, margin: 2 }],
  ['a successor takes over whose clock is ahead', { ...calm, failover: { offset: 3, losesWrite: false } }],
  ['a successor takes over whose clock is behind within the margin', { ...calm, failover: { offset: -2, losesWrite: false }, margin: 2 }],
  ['the client dies', { ...setting, crashes: true }],
];

const mutant = (change: Partial<Rules>, on: Partial<Setting> = {}): Setting => ({ ...setting, ...on, rules: { ...rules, ...change } });

/** What is wrong with each, and where it shows. */
const mutants: readonly (readonly [string, Setting])[] = [
  ['requests do not expire', mutant({ expires: false })],
  ['one release is enough', mutant({ doubtEnds: 'at-once' })],
  ['a doubt ends after a wait by the local clock', mutant({ doubtEnds: 'after-a-wait' }, { horizon: 9 })],
  ['a doubt ends at the last moment itself', mutant({ doubtEnds: 'not-earlier' }, { horizon: 8 })],
  ["only the first request's moment is remembered", mutant({ remembers: 'first' }, { horizon: 8, jump: 5, slips: false, ttl: 1 })],
  ['the age of a sample is taken for exact', mutant({}, { slack: 0 })],
  ['a driver that sends twice is trusted', mutant({}, { resends: true })],
  ['a refusal ends a doubt', mutant({ refusalEndsDoubt: true, distrustsCopies: true }, { resends: true })],
  [
    'a retry counts from the shared sample',
    mutant({ retryCountsFrom: 'shared-sample' }, { jump: 5, slips: false, horizon: 4, losses: 0, renews: false }),
  ],
  ['renewals do not expire', mutant({ renewalsExpire: false }, { horizon: 9, ttl: 6, slips: false })],
  ["the server's clock is set back and there is no margin", mutant({}, { jump: -2, slips: false, horizon: 8 })],
  ['a successor is behind and there is no margin', mutant({}, { failover: { offset: -2, losesWrite: false }, slips: false, horizon: 8 })],
  ['a successor lacks the release', mutant({}, { failover: { offset: 0, losesWrite: true }, slips: false })],
];

/** States searched and steps walked, from both beginnings. What is right is looked at for some seconds, what is wrong until that shows. */
const [SEARCHED, WALKED] = [10_000, 20_000];
const [MUTANT_SEARCHED, MUTANT_WALKED] = [40_000, 60_000];

function violationOf(on: Setting, searched: number, walked: number): Violation | null {
  for (const isMet of [true, false]) {
    const found =
      search(on, isMet, searched) ?? walk({ ...on, horizon: on.horizon + 5, mostMessages: on.mostMessages + 1 }, isMet, walked, 7);
    if (found !== null) return found;
  }
  return null;
}

describe('requests that expire', () => {
  it.each(around)('leave nothing behind when %s', { timeout: 60_000 }, (_, on) => {
    expect(violationOf(on, SEARCHED, WALKED)).toBeNull();
  });

  it.each(mutants)('are seen to be broken when %s', { timeout: 60_000 }, (_, on) => {
    expect(violationOf(on, MUTANT_SEARCHED, MUTANT_WALKED)).not.toBeNull();
  });
});
