// Writes the version of packages/otel into its source, where bundlers keep it: `pnpm version` runs it. `--check` fails when the file is another.
import { readFileSync, writeFileSync } from 'node:fs';

const to = new URL('../packages/otel/src/version.generated.ts', import.meta.url);
const { version } = JSON.parse(readFileSync(new URL('../packages/otel/package.json', import.meta.url), 'utf8'));
const text = `// Written by scripts/write-otel-version.mjs from package.json; do not edit.

/** The version of this package. */
export const VERSION: string = '${version}';
`;

if (!process.argv.includes('--check')) writeFileSync(to, text);
else if (readFileSync(to, 'utf8') !== text) {
  console.error('packages/otel/src/version.generated.ts is not what scripts/write-otel-version.mjs writes; run that');
  process.exitCode = 1;
}
