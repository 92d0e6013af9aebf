import type { Capabilities } from '../../index.js';
import type { CaseFailure } from '../case-failure.js';
import type { ConformanceCase } from '../conformance-case.js';

/** How one run of one case ended. Plain data: it goes from process to process. */
export interface CaseRun {
  readonly status: 'passed' | 'failed' | 'not-applicable' | 'not-run';
  readonly reason?: string;
  readonly failure?: CaseFailure;
  readonly capabilities?: Capabilities;
  readonly backend?: string;
  readonly ms: number;
  /** Something was left unhandled while it ran beside others: it or one of them has done it. */
  readonly isSuspect?: true;
}

/** Who runs cases: this process, or a child of it. */
export interface CaseExecutor {
  /** Never rejects. */
  run(testCase: ConformanceCase): Promise<CaseRun>;
  /** What nobody handled so far, with the cases that ran then. */
  readonly strays: readonly string[];
  versions(): Promise<Readonly<Record<string, string>>>;
  close(): Promise<void>;
}
