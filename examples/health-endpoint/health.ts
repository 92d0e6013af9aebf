import type { HealthReport, LockManager } from 'holdfast';

/** How old an answer may be. Probes come from several places at once; the store need not notice. */
const FRESH_MS = 1_000;
/** Below the timeout of the probe that asks, so that it gets an answer and not a broken connection. */
const TIMEOUT_MS = 1_500;

/** Answers whether locks can be had, asking the store once a second at most. */
export function createHealthCheck(locks: LockManager): () => Promise<HealthReport> {
  let asked = Number.NEGATIVE_INFINITY;
  let report: Promise<HealthReport> | null = null;
  return () => {
    const now = performance.now();
    if (report === null || now - asked > FRESH_MS) {
      asked = now;
      // Never rejects, and answers within its timeout: nothing to catch.
      report = locks.checkHealth({ timeoutMs: TIMEOUT_MS });
    }
    return report;
  };
}
