import { placesOf } from '../case-failure.js';
import type { CaseResult, ConformanceReport } from './report.js';

/** What may be done to a part of the text; left out, nothing is. */
export type Paint = (style: 'bold' | 'red' | 'green' | 'dim', text: string) => string;

/** The report for people, line by line. */
export function terminalReport(report: ConformanceReport, paint: Paint = (_, text) => text): string {
  const failed = report.cases.filter(({ status }) => status === 'failed');
  return [
    ...topicTable(report.cases, paint),
    ...failed.flatMap((result) => failureLines(result, paint)),
    ...report.unexpectedPasses.map((id) => `\n${paint('red', 'PASSED')} ${id}, which is expected to fail: take it off the list`),
    ...report.strays.map((stray) => `\n${paint('red', 'UNHANDLED')} ${stray}`),
    ...levelLines(report),
    ...versionLines(report),
    '',
    paint(report.ok ? 'green' : 'red', summary(report)),
  ].join('\n');
}

/** `300 passed, 2 failed, ...` */
export function summary(report: ConformanceReport): string {
  const parts = [
    `${report.passed} passed`,
    `${report.failed} failed`,
    ...(report.expectedFailures > 0 ? [`${report.expectedFailures} failed as expected`] : []),
    ...(report.notApplicable > 0 ? [`${report.notApplicable} not applicable`] : []),
    ...(report.notRun > 0 ? [`${report.notRun} not run`] : []),
  ];
  const end = report.ended === null ? '' : `; ended early: ${report.ended}`;
  return `${parts.join(', ')} in ${seconds(report.ms)}${end}`;
}

function versionLines({ versions }: ConformanceReport): readonly string[] {
  const known = Object.entries(versions).map(([what, version]) => `${what} ${version}`);
  return known.length === 0 ? [] : ['', `with ${known.join(', ')}`];
}

function topicTable(cases: readonly CaseResult[], paint: Paint): readonly string[] {
  const shown = COLUMNS.filter(({ status, isAlwaysShown }) => isAlwaysShown || cases.some((result) => result.status === status));
  const topics = [...new Set(cases.map(({ topic }) => topic))];
  const rows = topics.map((topic) => {
    const own = cases.filter((result) => result.topic === topic);
    const counts = shown.map(({ status }) => String(own.filter((result) => result.status === status).length).replace(/^0$/, '-'));
    return [topic, ...counts, seconds(own.reduce((sum, { ms }) => sum + ms, 0))];
  });
  const all = [['TOPIC', ...shown.map(({ title }) => title), 'TIME'], ...rows];
  const widths = all[0]?.map((_, column) => Math.max(...all.map((row) => row[column]?.length ?? 0))) ?? [];
  return all.map((row, index) => {
    const line = row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd();
    if (index === 0) return paint('bold', line);
    return row[2] === '-' ? line : paint('red', line);
  });
}

const COLUMNS = [
  { status: 'passed', title: 'PASSED', isAlwaysShown: true },
  { status: 'failed', title: 'FAILED', isAlwaysShown: true },
  { status: 'not-applicable', title: 'NOT APPLICABLE', isAlwaysShown: false },
  { status: 'not-run', title: 'NOT RUN', isAlwaysShown: false },
] as const;

function failureLines(result: CaseResult, paint: Paint): readonly string[] {
  const { id, title, error = '', runs, failures, statement, says, why, lookAt = [], history = [], followsFrom, isExpected } = result;
  return [
    `\n${paint(isExpected ? 'dim' : 'red', isExpected ? 'FAILED AS EXPECTED' : 'FAILED')} ${id}: ${title}`,
    ...error.split('\n').map((line) => `  ${line}`),
    ...(runs > 1 ? [`  failed ${failures} of ${runs} times`] : []),
    ...(followsFrom === undefined ? [] : [`  probably follows from ${followsFrom}: look at that first`]),
    ...(statement === undefined ? [] : [`  checked by  ${statement}`]),
    ...(says === undefined ? [] : [`  rule        ${says}`]),
    ...(why === undefined ? [] : [`  why         ${why}`]),
    `  look at     ${placesOf(lookAt)}`,
    ...(history.length === 0 ? [] : ['  the store was asked', ...history.map((line) => paint('dim', `  ${line}`))]),
  ];
}

function levelLines({ suite, levels, badge }: ConformanceReport): readonly string[] {
  if (levels === null || badge === null) return [];
  const words = { reached: 'reached', failed: 'failed', incomplete: 'not shown as a whole', 'not-offered': 'not offered' } as const;
  const shown = levels.filter(({ status }) => status !== 'not-offered');
  return [
    '',
    `Suite ${suite}. Levels: ${shown.map(({ name, status, passed, required }) => `${name} ${words[status]} (${passed} of ${required})`).join(', ')}`,
    badge,
  ];
}

function seconds(ms: number): string {
  return ms < 1_000 ? `${ms}ms` : `${(ms / 1_000).toFixed(1)}s`;
}
