import type { Capabilities } from '../../index.js';
import type { ConformanceCase } from '../conformance-case.js';
import { type LevelName, levels, SUITE_VERSION } from '../levels.js';
import { groundsOf } from '../rules.js';

/**
 * How a case ended. `not-applicable`: the backend lacks a capability that the case is about, and says so as it should. `not-run`: the
 * harness lacks a fault, or the run ended before.
 */
export type CaseStatus = 'passed' | 'failed' | 'not-applicable' | 'not-run';

/** What is known of one case. */
export interface CaseResult {
  /** The id of the case. */
  readonly id: string;
  /** The topic of the case. */
  readonly topic: string;
  /** What it says is so. */
  readonly title: string;
  /** How it ended. */
  readonly status: CaseStatus;
  /** Nothing is wrong with it: it did not fail. */
  readonly ok: boolean;
  /** Why it was not applicable, or not run. */
  readonly reason?: string | undefined;
  /** How long it took, in milliseconds. */
  readonly ms: number;
  /** How often it was run. */
  readonly runs: number;
  /** How often it failed. */
  readonly failures: number;
  /** It failed, as the file of expected failures says. */
  readonly isExpected: boolean;
  /** The level that requires it. */
  readonly level: LevelName;
  /** The id of its rule. */
  readonly rule: string;
  /** Of a case that failed: what was wrong. */
  readonly error?: string | undefined;
  /** The statement of the case that noticed it. */
  readonly statement?: string | undefined;
  /** What its rule says. */
  readonly says?: string | undefined;
  /** What goes wrong without the rule. */
  readonly why?: string | undefined;
  /** The functions of `LockBackend` to look at. */
  readonly lookAt?: readonly string[] | undefined;
  /** The case that failed before it, of a rule on which this one stands. */
  readonly followsFrom?: string | undefined;
  /** What the store was asked, a line for each call. */
  readonly history?: readonly string[] | undefined;
}

/** What the run says of one level. */
export interface LevelResult {
  /** The level. */
  readonly name: LevelName;
  /** `incomplete`: nothing failed, and not all was run. `not-offered`: the backend does not claim it, or the harness shows none of it. */
  readonly status: 'reached' | 'failed' | 'incomplete' | 'not-offered';
  /** How many of its cases passed. */
  readonly passed: number;
  /** How many cases it requires. */
  readonly required: number;
}

/** A whole run, as `--json` prints it. */
export interface ConformanceReport {
  /** The version of the suite. */
  readonly suite: string;
  /** Nothing failed that was not expected to fail, nothing passed that was, and nothing was left unhandled. */
  readonly ok: boolean;
  /** The name of the harness. */
  readonly name: string;
  /** The name of the backend; null where no manager was ever made. */
  readonly backend: string | null;
  /** What the backend says that it can do; null likewise. */
  readonly capabilities: Capabilities | null;
  /** Of Node, and what the harness says of its driver and its server. */
  readonly versions: Readonly<Record<string, string>>;
  /** When the run began, in ISO 8601. */
  readonly startedAt: string;
  /** How long the run took, in milliseconds. */
  readonly ms: number;
  /** What decided the order of the cases; null where they stood in their own. */
  readonly seed: number | null;
  /** Why the run ended before its end; null when it did not. */
  readonly ended: string | null;
  /** How many cases passed. */
  readonly passed: number;
  /** Without those that were expected to fail. */
  readonly failed: number;
  /** How many failed as expected. */
  readonly expectedFailures: number;
  /** How many are about what the backend does not claim to do. */
  readonly notApplicable: number;
  /** How many were not run, as a fault or the time was missing. */
  readonly notRun: number;
  /** Cases that were expected to fail and did not. */
  readonly unexpectedPasses: readonly string[];
  /** Rejections and exceptions that nobody handled, with the cases that ran then. */
  readonly strays: readonly string[];
  /** null where only some cases were chosen. */
  readonly levels: readonly LevelResult[] | null;
  /** One line for a README; null likewise. */
  readonly badge: string | null;
  /** Every case. */
  readonly cases: readonly CaseResult[];
}

/** What a run has found out, before it is counted. */
export interface RunRecord {
  readonly name: string;
  readonly backend: string | null;
  readonly capabilities: Capabilities | null;
  readonly versions: Readonly<Record<string, string>>;
  readonly startedAt: Date;
  readonly ms: number;
  readonly seed: number | null;
  readonly ended: string | null;
  readonly strays: readonly string[];
  readonly expectedFailures: ReadonlySet<string>;
  /** In the order in which they were, or would have been, run. */
  readonly results: readonly CaseResult[];
  /** Every case of the suite: a level that was not run as a whole is not reached. */
  readonly all: readonly ConformanceCase[];
}

export function makeReport(run: RunRecord): ConformanceReport {
  const cases = withGrounds(run.results, run.all);
  const count = (fits: (result: CaseResult) => boolean): number => cases.filter(fits).length;
  const failed = count(({ status, isExpected }) => status === 'failed' && !isExpected);
  const unexpectedPasses = cases.filter(({ id, status }) => status === 'passed' && run.expectedFailures.has(id)).map(({ id }) => id);
  // What a failing case has left behind is no failure of its own.
  const areStraysExplained = run.strays.length === 0 || cases.some(({ status }) => status === 'failed');
  const levelResults = run.results.length < run.all.length ? null : judgeLevels(cases, run);
  return {
    suite: SUITE_VERSION,
    ok: failed === 0 && unexpectedPasses.length === 0 && areStraysExplained && run.ended === null,
    name: run.name,
    backend: run.backend,
    capabilities: run.capabilities,
    versions: run.versions,
    startedAt: run.startedAt.toISOString(),
    ms: run.ms,
    seed: run.seed,
    ended: run.ended,
    passed: count(({ status }) => status === 'passed'),
    failed,
    expectedFailures: count(({ isExpected }) => isExpected),
    notApplicable: count(({ status }) => status === 'not-applicable'),
    notRun: count(({ status }) => status === 'not-run'),
    unexpectedPasses,
    strays: run.strays,
    levels: levelResults,
    badge: levelResults && badgeOf(levelResults),
    cases,
  };
}

/** A failure whose rule stands on one that was broken before, or was broken by the bare backend, probably follows from that. */
function withGrounds(results: readonly CaseResult[], all: readonly ConformanceCase[]): readonly CaseResult[] {
  const caseOf = new Map(all.map((one) => [one.id, one]));
  const broken = new Map<string, string>();
  return results.map((result) => {
    const rule = caseOf.get(result.id)?.rule;
    if (result.status !== 'failed' || rule === undefined) return result;
    const ground = [...groundsOf(rule)].find(({ id }) => {
      const earlier = broken.get(id);
      return earlier !== undefined && (id !== rule.id || (isBare(earlier) && !isBare(result.id)));
    });
    const followsFrom = broken.get(ground?.id ?? '');
    if (!broken.has(rule.id)) broken.set(rule.id, result.id);
    return followsFrom === undefined ? result : { ...result, followsFrom };
  });
}

function isBare(caseId: string): boolean {
  return caseId.startsWith('backend/');
}

function judgeLevels(cases: readonly CaseResult[], { all, capabilities }: RunRecord): readonly LevelResult[] {
  const resultOf = new Map(cases.map((result) => [result.id, result]));
  return levels.map(({ name, isClaimed }) => {
    const own = all.filter(({ level }) => level === name).map(({ id }) => resultOf.get(id));
    const required = own.filter((result) => result?.status !== 'not-applicable');
    const passed = required.filter((result) => result?.status === 'passed').length;
    const counts = { name, passed, required: required.length };
    if (required.some((result) => result?.status === 'failed')) return { ...counts, status: 'failed' };
    const hasBegun = required.some((result) => result !== undefined && result.status !== 'not-run');
    if (capabilities === null || !isClaimed(capabilities) || !hasBegun) return { ...counts, status: 'not-offered' };
    return { ...counts, status: passed === required.length ? 'reached' : 'incomplete' };
  });
}

/** One line for a README. Nothing is reached where the level 'lock' is not. */
function badgeOf(results: readonly LevelResult[]): string {
  const reached = results.filter(({ status }) => status === 'reached').map(({ name }) => name);
  const suite = `Holdfast conformance ${SUITE_VERSION.split('.')[0]}`;
  return reached.includes('lock') ? `${suite}: ${reached.join(', ')}` : `${suite}: not reached`;
}
