import { writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { CliError } from './cli-error.js';
import { exitCodes } from './exit-codes.js';
import { quoted } from './printable.js';

/** Before anything is run: a file that cannot be written is reported at once. @throws CliError */
export async function checkReportFile(path: string): Promise<void> {
  try {
    await (await open(path, 'a')).close();
  } catch (error) {
    throw unwritten(path, error, 'nothing was run');
  }
}

/** @param done what was done in spite of that @throws CliError */
export function writeReportFile(path: string, text: string, done: string): void {
  try {
    writeFileSync(path, text);
  } catch (error) {
    throw unwritten(path, error, done);
  }
}

function unwritten(path: string, error: unknown, what: string): CliError {
  const reason = (error as NodeJS.ErrnoException).code ?? String(error);
  return new CliError(`the report ${quoted(path)} could not be written (${reason}); ${what}`, exitCodes.unwritten, 'UNWRITTEN');
}
