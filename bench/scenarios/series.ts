import type { Metric, Sample } from '../metric.js';
import type { Contestant } from '../scenario.js';

/** Figures of one kind at several points of an axis: a metric for each point. */
export function metricsAt(points: readonly number[], axis: string): readonly [Metric, ...Metric[]] {
  const [first = 1, ...rest] = points;
  const metricAt = (at: number): Metric => ({
    id: String(at),
    at,
    title: `rate, ${axis}: ${at.toLocaleString('en-US')}`,
    unit: 'ops/s',
    higherIsBetter: true,
  });
  return [metricAt(first), ...rest.map(metricAt)];
}

/** One point a round, in order: a round of everybody's at one point is over before the machine changes much. */
export function roundsOver(
  points: readonly number[],
  measure: (at: number) => Promise<{ readonly rate: number; readonly fault?: string | null }>,
): Contestant['round'] {
  let next = 0;
  return async (): Promise<Sample> => {
    const at = points[next++ % points.length] ?? 1;
    const { rate, fault = null } = await measure(at);
    return { values: { [at]: rate }, faults: fault === null ? [] : [fault] };
  };
}
