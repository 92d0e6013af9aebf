import { CommanderError } from 'commander';
import { failureOf } from './cli-error.js';
import { exitCodes } from './exit-codes.js';
import type { Output } from './output.js';
import { parseFailure } from './parse-failure.js';
import { createProgram } from './program.js';

/** Runs the command line. Answers the exit code and never rejects: every failure has been reported in one line. */
export async function runCli(argv: readonly string[], output: Output): Promise<number> {
  let exitCode: number = exitCodes.ok;
  const program = createProgram(output, (code) => {
    exitCode = code;
  });
  try {
    await program.parseAsync(argv, { from: 'user' });
    return exitCode;
  } catch (error) {
    const own = ownArguments(argv);
    const told = error instanceof CommanderError ? parseFailure(error, program, own) : error;
    if (typeof told === 'number') return told;
    const failure = failureOf(told);
    output.fail(failure, own.includes('--json'));
    return failure.exitCode;
  }
}

/** What is for us and not for the command. */
function ownArguments(argv: readonly string[]): readonly string[] {
  const dashes = argv.indexOf('--');
  return dashes < 0 ? argv : argv.slice(0, dashes + 1);
}
