import { writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { type ConformanceReport, htmlReport, junitReport } from '@holdfast/core/conformance';
import { CliError } from '../cli-error.js';
import { exitCodes } from '../exit-codes.js';
import { quoted } from '../printable.js';

/** Where the report is to be written, beside stdout. */
export interface ReportFiles {
  readonly junit?: string;
  readonly html?: string;
}

/** Before a run of minutes: a file that cannot be written is said at once. @throws CliError */
export async function checkReportFiles(files: ReportFiles): Promise<void> {
  for (const path of [files.junit, files.html]) {
    if (path === undefined) continue;
    try {
      await (await open(path, 'a')).close();
    } catch (error) {
      throw unwritten(path, error, 'nothing was run');
    }
  }
}

/** @throws CliError */
export function writeReportFiles(files: ReportFiles, report: ConformanceReport): void {
  for (const [path, text] of [
    [files.junit, junitReport],
    [files.html, htmlReport],
  ] as const) {
    if (path === undefined) continue;
    try {
      writeFileSync(path, text(report));
    } catch (error) {
      throw unwritten(path, error, 'the cases were run');
    }
  }
}

function unwritten(path: string, error: unknown, what: string): CliError {
  const reason = (error as NodeJS.ErrnoException).code ?? String(error);
  return new CliError(`the report ${quoted(path)} could not be written (${reason}); ${what}`, exitCodes.unwritten, 'UNWRITTEN');
}
