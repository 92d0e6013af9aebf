import { allCases } from '../cases/index.js';
import type { ConformanceCase } from '../conformance-case.js';
import { type CaseResult, type ConformanceReport, makeReport } from '../report/report.js';
import type { CaseExecutor, CaseRun } from './case-executor.js';
import { type PlanOptions, planCases } from './plan.js';

/** How the suite is run. */
export interface ConformanceRunOptions extends PlanOptions {
  /** How many cases at a time. @default 4 */
  readonly concurrency?: number | undefined;
  /** How often each case is run; one failure fails it. @default 1 */
  readonly repeat?: number | undefined;
  /** After so many milliseconds no case is started any more; the others are not run. @default no end */
  readonly budgetMs?: number | undefined;
  /** Ids of cases that are known to fail. One that passes anyway fails the run. @default none */
  readonly expectedFailures?: Iterable<string> | undefined;
  /** Ends the run; what has been found out is reported. */
  readonly signal?: AbortSignal | undefined;
  /** Called with each case as it ends. */
  readonly onResult?: ((result: CaseResult) => void) | undefined;
  /** Called when the process ends in the middle, by `process.exit` in a backend for instance, with what is known then: write it synchronously. */
  readonly onExit?: ((report: ConformanceReport) => void) | undefined;
}

/** One run of the suite: who runs the cases is handed in. */
export class PlanRun {
  readonly #name: string;
  readonly #executor: CaseExecutor;
  readonly #options: ConformanceRunOptions;
  readonly #results = new Map<string, CaseResult>();
  readonly #suspects = new Set<ConformanceCase>();
  readonly #running = new Map<string, number>();
  readonly #planned: readonly ConformanceCase[];
  readonly #phases: readonly (readonly ConformanceCase[])[];
  readonly #startedAt = new Date();
  readonly #start = performance.now();
  readonly #expected: ReadonlySet<string>;
  #known: Pick<CaseRun, 'backend' | 'capabilities'> = {};
  #versions: Readonly<Record<string, string>> = {};

  /** @throws RangeError see `planCases` */
  constructor(name: string, executor: CaseExecutor, options: ConformanceRunOptions) {
    const { first, rest } = planCases(options);
    this.#phases = [first, rest];
    this.#planned = [...first, ...rest];
    this.#name = name;
    this.#executor = executor;
    this.#options = options;
    this.#expected = new Set(options.expectedFailures ?? []);
  }

  async run(): Promise<ConformanceReport> {
    const { concurrency = 4, signal } = this.#options;
    const interrupted = new Promise<void>((resolve) => {
      if (signal?.aborted === true) resolve();
      signal?.addEventListener('abort', () => resolve(), { once: true });
    });
    const work = async (): Promise<void> => {
      this.#versions = await this.#executor.versions();
      for (const phase of this.#phases) {
        const queue = phase.values();
        await Promise.all(Array.from({ length: concurrency }, () => this.#work(queue)));
      }
      await this.#clearUp();
    };
    await Promise.race([work(), interrupted]);
    const report = this.report(this.#isOver() ? null : this.#reasonToEnd());
    await this.#executor.close();
    // What came up in the end belongs to the report too.
    return this.#executor.strays.length === report.strays.length ? report : this.report(report.ended);
  }

  /** What is known now. `ended`: why it does not go on. */
  report(ended: string | null): ConformanceReport {
    const now = performance.now();
    const results = this.#planned.map((testCase) => {
      const result = this.#results.get(testCase.id);
      if (result !== undefined) return result;
      const since = this.#running.get(testCase.id);
      const reason = since === undefined ? (ended ?? 'it was not started') : `${ended ?? 'the run ended'} while it ran`;
      return this.#resultOf(testCase, { status: 'not-run', reason, ms: since === undefined ? 0 : Math.round(now - since) }, 0, 0);
    });
    return makeReport({
      name: this.#name,
      backend: this.#known.backend ?? null,
      capabilities: this.#known.capabilities ?? null,
      versions: this.#versions,
      startedAt: this.#startedAt,
      ms: Math.round(now - this.#start),
      seed: this.#options.seed ?? null,
      ended,
      strays: [...this.#executor.strays],
      expectedFailures: this.#expected,
      results,
      all: allCases,
    });
  }

  async #work(queue: Iterable<ConformanceCase>): Promise<void> {
    for (const testCase of queue) {
      if (this.#reasonToEnd() !== null) return;
      this.#running.set(testCase.id, performance.now());
      const result = await this.#repeated(testCase);
      this.#running.delete(testCase.id);
      // A run that was interrupted has been reported.
      if (this.#options.signal?.aborted === true) return;
      this.#results.set(testCase.id, result);
      this.#options.onResult?.(result);
    }
  }

  /** Which of those that ran side by side has left something unhandled shows when each runs alone. */
  async #clearUp(): Promise<void> {
    for (const testCase of this.#suspects) {
      if (this.#reasonToEnd() !== null) return;
      const run = await this.#executor.run(testCase);
      if (run.status === 'failed') this.#results.set(testCase.id, this.#resultOf(testCase, run, 2, 1));
    }
  }

  async #repeated(testCase: ConformanceCase): Promise<CaseResult> {
    const { repeat = 1 } = this.#options;
    let [last, failed, runs, failures, ms]: [CaseRun | null, CaseRun | null, number, number, number] = [null, null, 0, 0, 0];
    while (runs < repeat && (last === null || (last.status !== 'not-run' && this.#reasonToEnd() === null))) {
      last = await this.#executor.run(testCase);
      if (last.capabilities !== undefined) this.#known = last;
      if (last.isSuspect === true) this.#suspects.add(testCase);
      runs += 1;
      ms += last.ms;
      if (last.status !== 'failed') continue;
      failures += 1;
      failed ??= last;
    }
    return this.#resultOf(testCase, { ...(failed ?? last ?? { status: 'not-run' }), ms }, runs, failures);
  }

  #resultOf(testCase: ConformanceCase, run: CaseRun, runs: number, failures: number): CaseResult {
    const { id, topic, title, level, rule } = testCase;
    const { status, reason, failure, ms } = run;
    return {
      id,
      topic,
      title,
      status,
      ok: status !== 'failed',
      ...(reason === undefined ? {} : { reason }),
      ms,
      runs,
      failures,
      isExpected: status === 'failed' && this.#expected.has(id),
      level,
      rule: rule.id,
      ...(failure && {
        error: failure.message,
        ...(failure.statement === null ? {} : { statement: failure.statement }),
        says: rule.says,
        why: rule.why,
        lookAt: rule.lookAt,
        history: failure.history,
      }),
    };
  }

  #isOver(): boolean {
    return this.#results.size === this.#planned.length;
  }

  #reasonToEnd(): string | null {
    const { signal, budgetMs = Number.POSITIVE_INFINITY } = this.#options;
    if (signal?.aborted === true) return signal.reason instanceof Error ? signal.reason.message : 'it was interrupted';
    return performance.now() - this.#start > budgetMs ? `the budget of ${budgetMs} ms is used up` : null;
  }
}
