import process from 'node:process';
import { failureOf } from './cli-error.js';
import { exitCodes } from './exit-codes.js';
import { Output } from './output.js';
import { runCli } from './run-cli.js';

// One for all: it knows which URLs are to be hidden.
const output = new Output();
let unwritten: NodeJS.ErrnoException | null = null;
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  // Somebody who looked at the first lines only, `holdfast ls | head`, is not a failure.
  if (error.code !== 'EPIPE') unwritten ??= error;
});
// Nobody listens to what we have to say, which is no reason to leave a command without its lock.
process.stderr.on('error', () => {});
// What a configuration file may do, or a fault of ours: the guard ends the command, and the lock ends by itself.
process.on('uncaughtException', (error) => {
  const failure = failureOf(error);
  output.fail(failure, false);
  process.exit(failure.exitCode);
});

const exitCode = await runCli(process.argv.slice(2), output);
// Not the exit code alone: a configuration file may have opened what would keep the process, and jobs would pile up. Not by the end of
// stdout: under systemd, and under programs that run on Node, stdout is a socket, and its end would take stdout from all who share it, such as the next line
// of a script. Not by an empty write either, unless one is under way: a full disk refuses that also where nothing was to be written. The error is
// reported after the callback.
const leave = (): void => void setImmediate(() => process.exit(exitCode === exitCodes.ok ? codeOfOutput() : exitCode));
if (process.stdout.writableLength === 0) leave();
else process.stdout.write('', leave);

/** A result that nobody can read is none. */
function codeOfOutput(): number {
  if (unwritten === null) return exitCodes.ok;
  output.tell(`the result could not be written: ${unwritten.code ?? unwritten.message}`, 'red');
  return exitCodes.unwritten;
}
