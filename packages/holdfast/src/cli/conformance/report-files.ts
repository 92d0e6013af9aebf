import { type ConformanceReport, htmlReport, junitReport } from '@holdfast/core/conformance';
import { checkReportFile, writeReportFile } from '../report-file.js';

/** Where the report is to be written, beside stdout. */
export interface ReportFiles {
  readonly junit?: string;
  readonly html?: string;
}

/** Before a run of minutes: a file that cannot be written is said at once. @throws CliError */
export async function checkReportFiles(files: ReportFiles): Promise<void> {
  for (const path of [files.junit, files.html]) if (path !== undefined) await checkReportFile(path);
}

/** @throws CliError */
export function writeReportFiles(files: ReportFiles, report: ConformanceReport): void {
  for (const [path, text] of [
    [files.junit, junitReport],
    [files.html, htmlReport],
  ] as const) {
    if (path !== undefined) writeReportFile(path, text(report), 'the cases were run');
  }
}
