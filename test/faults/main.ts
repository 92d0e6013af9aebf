import { argv } from 'node:process';
import { runFromCommandLine } from './command-line.js';

process.exitCode = await runFromCommandLine(argv.slice(2), console);
