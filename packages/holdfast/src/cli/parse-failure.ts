import type { Command, CommanderError } from 'commander';
import { redactUrl } from '../redact-url.js';
import { type CliError, usageError } from './cli-error.js';
import { exitCodes } from './exit-codes.js';

/** What a failed parse means, in one line; a number when all has been said: help and version have printed what they had to. */
export function parseFailure(error: CommanderError, program: Command, argv: readonly string[]): CliError | number {
  if (error.exitCode === 0) return exitCodes.ok;
  if (error.code === 'commander.help') return exitCodes.usage;
  const command = program.commands.find((each) => argv.includes(each.name()));
  const dashes = error.code === 'commander.unknownOption' && command?.usage().includes('--') === true && !argv.includes('--');
  const message = error.message
    .replace(/^error: /, '')
    // Somebody who forgot --url has typed a password where no message looks for one.
    .replace(/[a-z][a-z\d+.-]*:\/\/[^\s']*/gi, redactUrl)
    .replace(/\s*\n\s*/g, ' ')
    .replace(/\.$/, '');
  const isMissing = error.code === 'commander.missingArgument' && command !== undefined;
  const hint = dashes
    ? ' (put -- in front of the command that is to run)'
    : isMissing
      ? `: holdfast ${command.name()} ${command.usage()}`
      : '';
  return usageError(`${message}${hint}; see holdfast ${command === undefined ? '' : `${command.name()} `}--help`);
}
