import process from 'node:process';
import { failureOf } from './cli-error.js';
import { Output } from './output.js';
import { runCli } from './run-cli.js';

// Somebody who looked at the first lines only, `holdfast ls | head`, is not a failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
// Nobody listens to what we have to say, which is no reason to leave a command without its lock.
process.stderr.on('error', () => {});
// What a configuration file may do, or a fault of ours: the guard ends the command, and the lock ends by itself.
process.on('uncaughtException', (error) => {
  const failure = failureOf(error);
  new Output().fail(failure, false);
  process.exit(failure.exitCode);
});

const exitCode = await runCli(process.argv.slice(2));
// Not the exit code alone: a configuration file may have opened what would keep the process, and jobs would pile up.
process.stdout.write('', () => process.exit(exitCode));
