import { placesOf } from '../case-failure.js';
import { escaped } from './markup.js';
import type { CaseResult, ConformanceReport } from './report.js';
import { summary } from './terminal.js';

const STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { max-width: 70rem; margin: 2rem auto; padding: 0 1rem; }
table { border-collapse: collapse; width: 100%; }
td, th { text-align: left; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid #8884; vertical-align: top; }
pre { overflow-x: auto; padding: .75rem; background: #8882; font-size: .85rem; }
.failed { color: #c62828; } .passed { color: #2e7d32; } .not-run, .not-applicable { opacity: .7; }
@media (prefers-color-scheme: dark) { .failed { color: #ef9a9a; } .passed { color: #a5d6a7; } }
summary { cursor: pointer; }`;

const WORDS = { passed: 'passed', failed: 'failed', 'not-applicable': 'not applicable', 'not-run': 'not run' } as const;

/** The report as one page that needs no other file and no script. */
export function htmlReport(report: ConformanceReport): string {
  const title = `Conformance of ${report.name}`;
  const versions = Object.entries(report.versions).map(([what, version]) => `${what} ${version}`);
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${escaped(title)}</title><style>${STYLE}</style></head>
<body>
<h1>${escaped(title)}</h1>
<p class="${report.ok ? 'passed' : 'failed'}"><strong>${escaped(summary(report))}</strong></p>
<p>Suite ${escaped(report.suite)}, ${escaped(report.startedAt)}${versions.length === 0 ? '' : `; ${escaped(versions.join(', '))}`}</p>
${levelTable(report)}${list('Expected to fail, and passed', report.unexpectedPasses)}${list('Not handled by anybody', report.strays)}<h2>Cases</h2>
<table><tr><th>case</th><th>status</th><th>rule</th><th>time</th></tr>
${report.cases.map(caseRow).join('\n')}
</table>
</body>
</html>
`;
}

function levelTable({ levels, badge }: ConformanceReport): string {
  if (levels === null) return '';
  const rows = levels.map(
    ({ name, status, passed, required }) =>
      `<tr><td>${name}</td><td>${status.replace('-', ' ')}</td><td>${passed} of ${required}</td></tr>`,
  );
  const table = `<table><tr><th>level</th><th>status</th><th>cases</th></tr>\n${rows.join('\n')}\n</table>`;
  return `<p>${escaped(badge ?? '')}</p>\n<h2>Levels</h2>\n${table}\n`;
}

function list(title: string, lines: readonly string[]): string {
  return lines.length === 0 ? '' : `<h2>${title}</h2>\n<ul>${lines.map((line) => `<li>${escaped(line)}</li>`).join('')}</ul>\n`;
}

function caseRow(result: CaseResult): string {
  const status = result.isExpected ? 'failed as expected' : WORDS[result.status];
  const row = (what: string): string =>
    `<tr id="${escaped(result.id)}"><td>${what}</td><td class="${result.status}">${status}</td><td>${escaped(result.rule)}</td><td>${result.ms} ms</td></tr>`;
  const head = `<code>${escaped(result.id)}</code> ${escaped(result.title)}`;
  if (result.status === 'passed') return row(head);
  if (result.status !== 'failed') return row(`${head}<br><small>${escaped(result.reason ?? '')}</small>`);
  const { error = '', followsFrom, statement, says = '', why = '', lookAt = [], history = [] } = result;
  const lines = [
    error,
    ...(statement === undefined ? [] : [`checked by: ${statement}`]),
    `rule: ${says}`,
    `why: ${why}`,
    `look at: ${placesOf(lookAt)}`,
  ];
  const follows =
    followsFrom === undefined ? '' : `<p>Probably follows from <a href="#${escaped(followsFrom)}">${escaped(followsFrom)}</a>.</p>`;
  const asked = history.length === 0 ? '' : `<p>The store was asked:</p><pre>${escaped(history.join('\n'))}</pre>`;
  return row(`<details open><summary>${head}</summary>${follows}<pre>${escaped(lines.join('\n'))}</pre>${asked}</details>`);
}
