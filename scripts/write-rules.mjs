// Writes packages/core/RULES.md from the cases of the conformance suite: `write-rules.mjs [--check]`. `--check` fails when the file is not
// what it would write. The packages must be built.
import { readFileSync, writeFileSync } from 'node:fs';
import { rulesPage } from '../packages/core/dist/conformance/index.js';

const file = new URL('../packages/core/RULES.md', import.meta.url);
const page = rulesPage();
if (!process.argv.includes('--check')) writeFileSync(file, page);
else if (readFileSync(file, 'utf8') !== page) {
  console.error('packages/core/RULES.md is not what the cases say; run node scripts/write-rules.mjs');
  process.exitCode = 1;
}
