export { createLockMetrics, type LockMetrics, type LockMetricsOptions } from './create-lock-metrics.js';
