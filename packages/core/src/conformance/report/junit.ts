import { placesOf } from '../case-failure.js';
import { escaped } from './markup.js';
import type { CaseResult, ConformanceReport } from './report.js';

/** The report as JUnit XML, which every CI reads. What was not applicable or not run is skipped there, with its reason. */
export function junitReport(report: ConformanceReport): string {
  const topics = [...new Set(report.cases.map(({ topic }) => topic))];
  const faults = report.failed + report.unexpectedPasses.length;
  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    `<testsuites name="${escaped(`Holdfast conformance ${report.suite}: ${report.name}`)}" tests="${report.cases.length}" failures="${faults}" errors="${report.strays.length}" skipped="${report.notApplicable + report.notRun}" time="${report.ms / 1_000}">`,
    ...topics.flatMap((topic) =>
      suiteLines(
        topic,
        report.cases.filter((result) => result.topic === topic),
        report,
      ),
    ),
    ...(report.strays.length === 0 ? [] : [`  <system-err>${escaped(report.strays.join('\n'))}</system-err>`]),
    '</testsuites>',
    '',
  ].join('\n');
}

function suiteLines(topic: string, cases: readonly CaseResult[], { unexpectedPasses, startedAt }: ConformanceReport): readonly string[] {
  const failures = cases.filter(
    ({ id, status, isExpected }) => (status === 'failed' && !isExpected) || unexpectedPasses.includes(id),
  ).length;
  const skipped = cases.filter(({ status, isExpected }) => status === 'not-run' || status === 'not-applicable' || isExpected).length;
  const ms = cases.reduce((sum, result) => sum + result.ms, 0);
  return [
    `  <testsuite name="${escaped(topic)}" tests="${cases.length}" failures="${failures}" errors="0" skipped="${skipped}" time="${ms / 1_000}" timestamp="${startedAt}">`,
    ...cases.map((result) => caseLine(result, unexpectedPasses.includes(result.id))),
    '  </testsuite>',
  ];
}

function caseLine(result: CaseResult, isUnexpectedPass: boolean): string {
  const head = `    <testcase classname="${escaped(result.topic)}" name="${escaped(`${result.id}: ${result.title}`)}" time="${result.ms / 1_000}"`;
  if (isUnexpectedPass) return `${head}><failure message="it passed, and is expected to fail"/></testcase>`;
  if (result.isExpected) return `${head}><skipped message="${escaped(`failed as expected: ${result.error ?? ''}`)}"/></testcase>`;
  if (result.status === 'failed')
    return `${head}><failure message="${escaped(result.error ?? '')}">${escaped(detail(result))}</failure></testcase>`;
  if (result.status === 'passed') return `${head}/>`;
  return `${head}><skipped message="${escaped(`${result.status === 'not-run' ? 'not run' : 'not applicable'}: ${result.reason ?? ''}`)}"/></testcase>`;
}

function detail({ statement, says, why, lookAt = [], followsFrom, history = [] }: CaseResult): string {
  return [
    ...(followsFrom === undefined ? [] : [`probably follows from ${followsFrom}`]),
    ...(statement === undefined ? [] : [`checked by: ${statement}`]),
    `rule: ${says ?? ''}`,
    `why: ${why ?? ''}`,
    `look at: ${placesOf(lookAt)}`,
    ...history,
  ].join('\n');
}
