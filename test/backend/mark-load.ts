import { setTimeout as sleep } from 'node:timers/promises';
import type { BackendMarks } from '@holdfast/core';
import { callOf, newOwner } from './requests.js';

/** What is asked of the marks of a store, see `loadMarks`. */
export interface MarkLoad {
  /** Marks that stand all the while. */
  readonly standing: number;
  /** New ones a second, of a second each. */
  readonly perSecond: number;
  readonly seconds: number;
  /** How many marks the store has in it, those that have ended included. */
  readonly count: () => Promise<number>;
  readonly onCount?: (surplus: number) => void;
}

const EVERY_MS = 200;

/** Sets marks as many consumers do, and answers how many that had ended the store had in it at most. */
export async function loadMarks(marks: BackendMarks, { standing, perSecond, seconds, count, onCount }: MarkLoad): Promise<number> {
  const set = async (names: readonly string[], retentionMs: number): Promise<void> => {
    const requests = names.map((name) => ({ name, retentionMs, owner: newOwner(), label: 'load' }));
    if (marks.setEach !== undefined) await marks.setEach(requests, callOf(10_000));
    else await Promise.all(requests.map((mark) => marks.set(mark.name, mark.retentionMs, callOf(10_000), mark)));
  };
  for (let first = 0; first < standing; first += 1_000) {
    // oxlint-disable-next-line no-await-in-loop
    await set(
      Array.from({ length: Math.min(1_000, standing - first) }, (_, index) => `standing ${first + index}`),
      86_400_000,
    );
  }
  const each = Math.round((perSecond * EVERY_MS) / 1_000);
  const begin = performance.now();
  let [most, countedAt] = [0, begin];
  for (let round = 0; performance.now() - begin < seconds * 1_000; round += 1) {
    // oxlint-disable-next-line no-await-in-loop
    await set(
      Array.from({ length: each }, (_, index) => `passing ${round} ${index}`),
      1_000,
    );
    if (performance.now() - countedAt > Math.min(5_000, seconds * 200)) {
      countedAt = performance.now();
      // oxlint-disable-next-line no-await-in-loop
      const surplus = (await count()) - standing - perSecond;
      onCount?.(surplus);
      most = Math.max(most, surplus);
    }
    const left = begin + (round + 1) * EVERY_MS - performance.now();
    // oxlint-disable-next-line no-await-in-loop
    if (left > 0) await sleep(left);
  }
  return most;
}
