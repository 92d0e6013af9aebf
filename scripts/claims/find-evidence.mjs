// Whether there is what docs/claims.json names: the case, the test, the row of figures; and whether it passed, by the report of a run.
import { existsSync, readFileSync } from 'node:fs';
import ts from 'typescript-5.8';
import { rowsOf } from './read-claims.mjs';

/**
 * @param {string} root the repository, with a slash at its end
 * @param {ReturnType<typeof import('./read-claims.mjs').readClaims>} read
 * @param {ReadonlyMap<string, string>} cases the cases of the conformance suite, title by id
 * @returns {readonly string[]} what is missing
 */
export function missingEvidence(root, { claims, suites }, cases) {
  const titles = remember((file) => (existsSync(root + file) ? titlesIn(readFileSync(root + file, 'utf8')) : null));
  const runsSuite = remember((file) => existsSync(root + file) && readFileSync(root + file, 'utf8').includes('describeLockManager('));
  const missing = new Set();
  for (const { shownBy } of claims) {
    for (const { kind, file, name } of shownBy) {
      if (kind === 'suite' && !cases.has(name)) missing.add(`the conformance suite has no case "${name}"`);
      if (kind === 'figures' && !rowsOf(readFileSync(root + file, 'utf8')).some((row) => row.name === name)) {
        missing.add(`${file} has no row "${name}"`);
      }
      if (kind !== 'test' && kind !== 'model') continue;
      if (titles(file) === null) missing.add(`there is no ${file}`);
      else if (!titles(file).includes(name)) missing.add(`${file} has no test "${name}"`);
    }
  }
  for (const file of Object.values(suites).flat()) if (!runsSuite(file)) missing.add(`${file} does not run the conformance suite`);
  return [...missing];
}

/**
 * @param {string} report vitest's JSON report of a whole run
 * @returns {readonly string[]} what did not run, or did not pass
 */
export function unprovenEvidence(root, { claims, suites }, report) {
  const results = new Map(JSON.parse(report).testResults.map((file) => [file.name.slice(root.length), file.assertionResults]));
  const unproven = new Set();
  const demand = (file, title) => {
    const runs = (results.get(file) ?? []).filter((run) => title.test(run.title));
    const failed = runs.find((run) => run.status !== 'passed');
    if (runs.length === 0) unproven.add(`${file}: nothing like ${title} ran`);
    else if (failed) unproven.add(`${file}: "${failed.title}" ${failed.status}`);
  };
  for (const { store, shownBy } of claims) {
    for (const { kind, file, name } of shownBy) {
      if (kind === 'test' || kind === 'model') demand(file, runOf(name));
      // A harness may lack what a case needs, so one of the runs for this store is enough.
      if (kind !== 'suite') continue;
      const files = store === null ? Object.values(suites).flat() : suites[store];
      const ran = files.filter((each) => results.get(each)?.some((run) => run.title.startsWith(`${name}: `)));
      if (ran.length === 0) unproven.add(`${files.join(', ')}: the case ${name} did not run`);
      for (const each of ran) demand(each, new RegExp(`^${escape(name)}: `));
    }
  }
  return [...unproven];
}

/** The titles of tests as they are written, with their places for values. */
function titlesIn(text) {
  const found = [];
  const source = ts.createSourceFile('test.ts', text, ts.ScriptTarget.Latest, true);
  const visit = (node) => {
    if (ts.isCallExpression(node) && /^(it|test)\b/.test(node.expression.getText())) {
      const [title] = node.arguments;
      if (title && ts.isStringLiteralLike(title)) found.push(title.text);
      else if (title && ts.isTemplateExpression(title)) found.push(title.getText().slice(1, -1));
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

/** A title as it is reported: with values in its places. */
function runOf(title) {
  const parts = title.split(/%[sidjo#]|\$\{.*?\}|\$[\w.]+/).map(escape);
  return new RegExp(`^${parts.join('.*')}$`, 's');
}

function escape(text) {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/** Each file is read once. */
function remember(find) {
  const known = new Map();
  return (key) => {
    if (!known.has(key)) known.set(key, find(key));
    return known.get(key);
  };
}
