// Writes man/holdfast.1, the manual page that comes with the package, from the built command line; with --check it only compares.
import { readFileSync, writeFileSync } from 'node:fs';
import process from 'node:process';
import { behind, program as end } from '../dist/cli/help-texts.js';
import { Output } from '../dist/cli/output.js';
import { createProgram } from '../dist/cli/program.js';
import { manPage } from '../dist/cli/shell/man-page.js';

const file = new URL('../man/holdfast.1', import.meta.url);
const page = `${manPage(
  createProgram(new Output(), () => {}),
  behind,
  end,
)}\n`;
if (!process.argv.includes('--check')) writeFileSync(file, page);
else if (readFileSync(file, 'utf8') !== page) {
  console.error(
    'packages/holdfast/man/holdfast.1 is not what the command line says; run node packages/holdfast/scripts/write-man-page.mjs',
  );
  process.exit(1);
}
