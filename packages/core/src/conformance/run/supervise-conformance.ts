import type { ChildProcess } from 'node:child_process';
import type { ConformanceReport } from '../report/report.js';
import { ChildExecutor, STALL_MS } from './child-executor.js';
import { type ConformanceRunOptions, PlanRun } from './run-plan.js';

/** How the suite is run in child processes. */
export interface SuperviseOptions extends Omit<ConformanceRunOptions, 'onExit'> {
  /** A child whose event loop has not turned for so many milliseconds stands still, and is ended. @default 20_000 */
  readonly stallMs?: number | undefined;
}

/**
 * Runs the suite in child processes and reports. A backend that ends its process, or blocks it, fails the case that ran; the run goes on in a
 * new child.
 *
 * @param name stands at the head of the report
 * @param fork starts a child, with a channel for messages (`fork` of node:child_process), that calls `serveConformance(harness)`
 * @throws RangeError for a case, a topic or a seed that there is not
 * @throws Error where the first child does not start
 */
export async function superviseConformance(
  name: string,
  fork: () => ChildProcess,
  options: SuperviseOptions = {},
): Promise<ConformanceReport> {
  const executor = new ChildExecutor(fork, options.stallMs ?? STALL_MS);
  try {
    return await new PlanRun(name, executor, options).run();
  } finally {
    await executor.close();
  }
}
