// Looks whether what is published, and the servers of the tests, import what they may and take their time from the clock handed in: node scripts/check-borders.mjs [root]
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, posix, resolve } from 'node:path';
import ts from 'typescript-5.8';
import { clockViolations, violations } from './borders.mjs';

const root = resolve(process.argv[2] ?? new URL('..', import.meta.url).pathname);

const folders = readdirSync(join(root, 'packages')).map((name) => `packages/${name}/src`);
const files = [...folders, 'test/servers'].filter((folder) => existsSync(join(root, folder))).flatMap(sourcesIn);
const found = files.flatMap((file) => {
  const text = readFileSync(join(root, file), 'utf8');
  return [...violations(file, importsOf(file, text)), ...clockViolations(file, clocksOf(file, text))];
});

for (const line of found) console.error(line);
console.log(`${files.length} files, ${found.length} imports and clocks over a border`);
process.exitCode = found.length > 0 || files.length === 0 ? 1 : 0;

/** @returns {string[]} */
function sourcesIn(folder) {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`;
    if (entry.isDirectory()) return ['node_modules', 'dist', 'dist-test'].includes(entry.name) ? [] : sourcesIn(path);
    return /\.[cm]?tsx?$/.test(entry.name) ? [path] : [];
  });
}

/** Static, dynamic and type imports, and re-exports: whatever the compiler would look for. */
function importsOf(file, text) {
  return ts.preProcessFile(text, true, true).importedFiles.map(({ fileName, pos }) => ({
    name: fileName.startsWith('.') ? posix.join(posix.dirname(file), fileName) : fileName,
    isLazy: /\bimport\(\s*['"`]?$/.test(text.slice(0, pos)),
  }));
}

/** Where the system is asked for the time, or for a timer. */
function clocksOf(file, text) {
  const found = new Set();
  const visit = (node) => {
    if (ts.isIdentifier(node) && isTimer(node)) found.add(node.text);
    else if (
      ts.isPropertyAccessExpression(node) &&
      /^(?:Date\.now|performance\.(?:now|timeOrigin)|process\.(?:hrtime|uptime))$/.test(node.getText())
    ) {
      found.add(node.getText());
    } else if (ts.isNewExpression(node) && node.expression.getText() === 'Date' && !node.arguments?.length) found.add('new Date()');
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile(file, text, ts.ScriptTarget.Latest, true));
  return [...found];
}

/** A name of Node's timers, that is not a property of something else. */
function isTimer(node) {
  const isProperty =
    ts.isPropertyAccessExpression(node.parent) && node.parent.name === node && node.parent.expression.getText() !== 'globalThis';
  return !isProperty && ['setTimeout', 'setInterval'].includes(node.text);
}
