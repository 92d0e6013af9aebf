/** The middle value; the mean of the two middle ones where the count is even. NaN for none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const upper = sorted[Math.floor(sorted.length / 2)];
  const lower = sorted[Math.ceil(sorted.length / 2) - 1];
  return upper === undefined || lower === undefined ? Number.NaN : (lower + upper) / 2;
}

/** The sum of all values. */
export function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

/** What is printed of a figure over its rounds. */
export interface Spread {
  readonly lowest: number;
  readonly median: number;
  readonly highest: number;
}

/** The middle and both ends, so that a reader sees how noisy the machine was. */
export function spread(values: readonly number[]): Spread {
  return { lowest: Math.min(...values), median: median(values), highest: Math.max(...values) };
}

/**
 * How many pairs were granted in the other order than they asked. `tickets` stand in the order of the grants.
 * Quadratic, which is nothing for the eight of a burst.
 */
export function inversions(tickets: readonly number[]): number {
  let count = 0;
  for (const [i, earlier] of tickets.entries()) {
    for (const later of tickets.slice(i + 1)) if (earlier > later) count++;
  }
  return count;
}
