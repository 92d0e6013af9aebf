import process from 'node:process';
import { compareFigures } from './compare-figures.js';
import { describeChanges } from './describe-changes.js';
import { readFigures } from './read-figures.js';

const usage = `Says which figures moved beyond their spread between two runs of the benchmark.

  pnpm bench:compare BEFORE AFTER

BEFORE and AFTER are files that --results wrote, or --json; those of --json have no spread, and 10 % stands in for it.
Exit code: 0 when nothing fell, 1 when a figure did or is wrong now, 2 for wrong arguments or a file that cannot be read.`;

process.exitCode = await main(process.argv.slice(2).filter((arg) => arg !== '--'));

async function main(args: readonly string[]): Promise<number> {
  if (args.includes('--help')) {
    console.log(usage);
    return 0;
  }
  const [before, after] = args;
  if (before === undefined || after === undefined || args.length > 2 || args.some((arg) => arg.startsWith('--'))) {
    console.error(usage);
    return 2;
  }
  try {
    const changes = compareFigures(await readFigures(before), await readFigures(after));
    console.log(describeChanges(changes));
    return changes.some(({ kind }) => kind === 'fell') ? 1 : 0;
  } catch (error) {
    console.error(error instanceof Error ? error.message : String(error));
    return 2;
  }
}
