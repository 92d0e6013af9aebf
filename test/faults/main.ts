import { argv, exit } from 'node:process';
import { runFromCommandLine } from './command-line.js';

exit(await runFromCommandLine(argv.slice(2), console));
