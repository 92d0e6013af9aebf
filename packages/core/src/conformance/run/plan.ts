import { allCases } from '../cases/index.js';
import type { ConformanceCase } from '../conformance-case.js';

/** Which cases are run, and in which order. */
export interface PlanOptions {
  /** Ids of cases and topics. @default all */
  readonly only?: readonly string[] | undefined;
  /** Another order of the cases behind the first ones, the same for the same number; an integer from 0 to 2^32-1. @default as they stand */
  readonly seed?: number | undefined;
}

/**
 * The cases on the bare backend come first: what they find explains most of what fails behind them.
 *
 * @throws RangeError for a name in `only` that is neither a case nor a topic, and for a seed that is no integer
 */
export function planCases({ only, seed }: PlanOptions): {
  readonly first: readonly ConformanceCase[];
  readonly rest: readonly ConformanceCase[];
} {
  if (seed !== undefined && !(Number.isInteger(seed) && seed >= 0 && seed <= 0xffff_ffff)) {
    throw new RangeError(`the seed must be an integer from 0 to ${0xffff_ffff}, not ${String(seed)}`);
  }
  const unknown = only?.find((name) => !allCases.some((one) => isNamed(one, name)));
  if (unknown !== undefined) {
    const topics = [...new Set(allCases.map(({ topic }) => topic))].join(', ');
    throw new RangeError(`there is no case and no topic ${JSON.stringify(unknown)}; the topics are ${topics}`);
  }
  const chosen = only === undefined ? allCases : allCases.filter((one) => only.some((name) => isNamed(one, name)));
  const first = chosen.filter(({ topic }) => topic === 'backend');
  const rest = chosen.filter(({ topic }) => topic !== 'backend');
  return { first, rest: seed === undefined ? rest : shuffled(rest, seed) };
}

function isNamed({ id, topic }: ConformanceCase, name: string): boolean {
  return id === name || topic === name;
}

function shuffled<T>(values: readonly T[], seed: number): readonly T[] {
  const random = mulberry32(seed);
  const all = [...values];
  for (let left = all.length; left > 1; left -= 1) {
    const at = Math.floor(random() * left);
    const [last, picked] = [all[left - 1] as T, all[at] as T];
    all[left - 1] = picked;
    all[at] = last;
  }
  return all;
}

/** Small, quick, and the same on every machine. */
function mulberry32(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b_79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}
