import { describe, expect, it } from 'vitest';
import type { Vote } from '../src/protocol/node.js';
import { freeSlots } from '../src/protocol/slots.js';

function vote(...taken: readonly number[]): Vote {
  return { kind: 'refused', taken, holder: null, remainingMs: null };
}

const LARGEST = 2 ** 31 - 1;

describe('the slots that are left to choose from', () => {
  it.each([
    [3, 1, [0, 2]],
    [50, 48, [0, 49]],
    [5000, 1000, [1, 2, 3]],
    [LARGEST, 1000, [0, 1, LARGEST - 1]],
    [LARGEST, 1, []],
  ])('of %i are %i different ones that a majority has free, also where there are thousands of millions', (limit, permits, taken) => {
    for (const where of [0, 0.3, 0.999_999]) {
      const chosen = freeSlots({ limit, permits, random: () => where }, [vote(...taken), vote(...taken), vote()], 2) ?? [];
      expect(new Set(chosen).size).toBe(permits);
      expect(chosen.filter((slot) => slot < 0 || slot >= limit || taken.includes(slot))).toEqual([]);
    }
  });

  it('are none when there are too few, or too few nodes have answered', () => {
    expect(freeSlots({ limit: 3, permits: 2, random: Math.random }, [vote(0, 1), vote(0, 2), vote(1, 0)], 2)).toBeNull();
    expect(freeSlots({ limit: LARGEST, permits: 1, random: Math.random }, [vote(), 'no answer', 'no answer'], 2)).toBeNull();
  });
});
