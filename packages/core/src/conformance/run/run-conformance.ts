import process from 'node:process';
import type { ConformanceHarness } from '../harness.js';
import type { ConformanceReport } from '../report/report.js';
import { LocalExecutor } from './local-executor.js';
import { type ConformanceRunOptions, PlanRun } from './run-plan.js';

/**
 * Runs the suite in this process and reports: without a test runner, for a report that people and programs can read. What a case or a
 * backend leaves unhandled is taken down instead of ending the process; for a backend that ends the process itself there is `onExit`.
 *
 * @throws RangeError for a case, a topic or a seed that there is not
 */
export async function runConformance(harness: ConformanceHarness, options: ConformanceRunOptions = {}): Promise<ConformanceReport> {
  const executor = new LocalExecutor(harness);
  let run: PlanRun;
  try {
    run = new PlanRun(harness.name, executor, options);
  } catch (error) {
    await executor.close();
    throw error;
  }
  const onExit = (code: number): void => options.onExit?.(run.report(`the process ended with ${code}`));
  process.once('exit', onExit);
  try {
    return await run.run();
  } finally {
    process.off('exit', onExit);
  }
}
