export { createLockMetrics, type LockMetrics } from './create-lock-metrics.js';
export type { LockMetricsOptions } from './metrics-options.js';
