import { systemClock } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import { pollMs } from '../src/waiting/backoff.js';

describe('a waiter that is not woken', () => {
  const poll = (random: number, remainingMs: number | null, refusals: number, isUnrenewed = false): number =>
    pollMs({ ...systemClock, random: () => random }, remainingMs, refusals, isUnrenewed);

  it.each([0, 0.5, 0.999])('asks once the hold has expired and not before, spread by %d', (random) => {
    for (const remainingMs of [0, 20, 500, 1_500, 1_900]) {
      expect(poll(random, remainingMs, 1)).toBeGreaterThan(remainingMs);
      expect(poll(random, remainingMs, 1)).toBeLessThan(remainingMs * 1.02 + 4);
    }
  });

  it.each([0, 0.5, 0.999])('asks after 2 s at the latest, and at most once in 1.1 s from the third refusal on, spread by %d', (random) => {
    for (const remainingMs of [null, 2_000, 60_000]) expect(poll(random, remainingMs, 9)).toBeLessThanOrEqual(2_000);
    expect(poll(random, null, 1)).toBeGreaterThan(1_900);
    expect(poll(random, 5, 3)).toBeGreaterThanOrEqual(1_100);
    expect(poll(random, 5, 3, true)).toBeLessThan(10);
  });
});
