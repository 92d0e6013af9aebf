/** One kind of figure that a scenario yields. */
export interface Metric {
  /** The row's scenario is `scenario` for the main metric, which comes first, and `scenario/id` for the others. */
  readonly id: string;
  readonly title: string;
  readonly unit: string;
  readonly higherIsBetter: boolean;
  /** Where on the axis, for one of a series: how many processes, names or managers. Its row is always `scenario/id`. */
  readonly at?: number;
  /** How rounds become one value. @default 'median' */
  readonly combine?: 'median' | 'highest';
}

/** What one round of one library gave. */
export interface Sample {
  /** By metric id; a metric may be missing for a library that cannot show it. */
  readonly values: Readonly<Record<string, number>>;
  /** What was wrong, in words. One is enough for the library to be reported as wrong. */
  readonly faults: readonly string[];
}

/** What has metrics, the main one first: a scenario, as far as figures need to know it. */
export interface Measured {
  readonly metrics: readonly [Metric, ...Metric[]];
}
