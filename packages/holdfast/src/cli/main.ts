import process from 'node:process';
import { runCli } from './run-cli.js';

// Somebody who looked at the first lines only, `holdfast ls | head`, is not a failure.
process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));

const exitCode = await runCli(process.argv.slice(2));
// Not the exit code alone: a configuration file may have opened what would keep the process, and jobs would pile up.
process.stdout.write('', () => process.exit(exitCode));
