// Writes docs/claims.md from docs/claims.json: `write-claims.mjs [--check] [--report FILE] [--claims FILE]`. The packages must be built.
// `--check` fails when a claim is not shown by anything, when what shows it is not there, or when the page is not what would be written.
// `--claims` reads the claims of another file, for `--check`.
// `--report` fails when something that shows a claim did not run and pass, by vitest's JSON report of a whole run.
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { conformanceCases } from '../packages/core/dist/conformance/index.js';
import { claimsPage } from './claims/claims-page.mjs';
import { missingEvidence, unprovenEvidence } from './claims/find-evidence.mjs';
import { readClaims } from './claims/read-claims.mjs';

const { values } = parseArgs({ options: { check: { type: 'boolean' }, report: { type: 'string' }, claims: { type: 'string' } } });
const root = fileURLToPath(new URL('../', import.meta.url));
const file = `${root}docs/claims.md`;
const cases = new Map(conformanceCases().map(({ id, title }) => [id, title]));

const claims = JSON.parse(readFileSync(values.claims ?? `${root}docs/claims.json`, 'utf8'));
const read = readClaims(root, claims);
const problems = [...read.problems, ...missingEvidence(root, read, cases)];
if (values.report !== undefined) problems.push(...unprovenEvidence(root, read, readFileSync(values.report, 'utf8')));
const page = claimsPage(read.claims, cases);
if (values.check !== true && values.report === undefined) writeFileSync(file, page);
else if (readFileSync(file, 'utf8') !== page)
  problems.push('docs/claims.md is not what docs/claims.json says; run node scripts/write-claims.mjs');

for (const problem of problems) console.error(problem);
console.log(`${read.claims.length} claims, ${problems.length} problems`);
process.exitCode = problems.length > 0 ? 1 : 0;
