import process from 'node:process';
import { ConformanceError } from '../case-failure.js';
import type { ConformanceCase } from '../conformance-case.js';
import type { ConformanceHarness } from '../harness.js';
import { type CaseOutcome, conductCase } from '../run-conformance-case.js';
import type { CaseExecutor, CaseRun } from './case-executor.js';

/** Rejections are reported a turn after they were left. */
const AFTERMATH_MS = 50;
const VERSIONS_MS = 5_000;

/**
 * Runs cases in this process. What a case or a backend leaves unhandled, which would end the process without a report, is taken
 * down meanwhile; where one case alone ran, the case has failed by it.
 */
export class LocalExecutor implements CaseExecutor {
  readonly strays: string[] = [];
  readonly #harness: ConformanceHarness;
  readonly #running = new Map<string, (error: unknown) => void>();
  readonly #suspects = new Set<string>();
  readonly #onStray = (error: unknown): void => this.#stray(error);

  constructor(harness: ConformanceHarness) {
    this.#harness = harness;
    process.on('unhandledRejection', this.#onStray);
    process.on('uncaughtException', this.#onStray);
  }

  async run(testCase: ConformanceCase): Promise<CaseRun> {
    const missing = testCase.faults.find((fault) => this.#harness.faults?.includes(fault) !== true);
    if (missing !== undefined) {
      const because = this.#harness.inapplicable?.[missing];
      if (because !== undefined) return { status: 'not-applicable', reason: `${missing}: ${because}`, ms: 0 };
      return { status: 'not-run', reason: `the harness has no fault ${missing}`, ms: 0 };
    }
    const start = performance.now();
    const elapsed = (): number => Math.round(performance.now() - start);
    try {
      const stray = new Promise<never>((_, reject) => this.#running.set(testCase.id, reject));
      const outcome = await Promise.race([this.#conduct(testCase), stray]);
      return { ...outcome, ms: elapsed(), ...(this.#suspects.delete(testCase.id) ? { isSuspect: true } : {}) };
    } catch (error) {
      const failure = error instanceof ConformanceError ? error.failure : new ConformanceError(testCase, error, []).failure;
      return { status: 'failed', failure, ms: elapsed() };
    } finally {
      this.#running.delete(testCase.id);
    }
  }

  async #conduct(testCase: ConformanceCase): Promise<CaseOutcome> {
    const outcome = await conductCase(this.#harness, testCase);
    // A rejection that it has left shows a turn later.
    await new Promise((resolve) => setImmediate(resolve));
    return outcome;
  }

  async versions(): Promise<Readonly<Record<string, string>>> {
    const node = { node: process.versions.node };
    const late = new Promise<object>((resolve) => setTimeout(resolve, VERSIONS_MS, {}).unref());
    try {
      return { ...node, ...(await Promise.race([this.#harness.versions?.(), late])) };
    } catch {
      return node;
    }
  }

  async close(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, AFTERMATH_MS));
    process.off('unhandledRejection', this.#onStray);
    process.off('uncaughtException', this.#onStray);
  }

  #stray(error: unknown): void {
    const ids = [...this.#running.keys()];
    const what = error instanceof Error ? (error.stack ?? error.message) : String(error);
    this.strays.push(`nobody handled: ${what}\n  during ${ids.length === 0 ? 'no case' : ids.join(', ')}`);
    if (ids.length !== 1) {
      for (const id of ids) this.#suspects.add(id);
      return;
    }
    const message = `an error that nobody handled: ${error instanceof Error ? error.message : String(error)}`;
    for (const fail of this.#running.values()) fail(new Error(message, { cause: error }));
  }
}
