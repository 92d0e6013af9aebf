// Embeds src/page/lock-page.html into src/page/lock-page.generated.ts, with what the page's content security policy allows by its hash. `--check`
// fails when the file is not what it would write. In a module of its own the page survives bundlers.
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';

const from = new URL('../src/page/lock-page.html', import.meta.url);
const to = new URL('../src/page/lock-page.generated.ts', import.meta.url);

const html = readFileSync(from, 'utf8');
const hashOf = (tag) => {
  const pieces = html.split(`<${tag}>`);
  if (pieces.length !== 2) throw new Error(`the page must have one <${tag}>`);
  return createHash('sha256')
    .update(pieces[1].split(`</${tag}>`)[0])
    .digest('base64');
};
const lines = html.replace(/\n$/, '').split('\n');
const literal = (line) => `'${JSON.stringify(line).slice(1, -1).replaceAll('\\"', '"').replaceAll("'", "\\'")}'`;

const text = `// Written by scripts/embed-page.mjs from src/page/lock-page.html; do not edit.

/** The page; {{SETTINGS}} stands for what it is to know. */
export const pageHtml = [
${lines.map((line) => `  ${literal(line)},\n`).join('')}].join('\\n');

/** The page's only script and style sheet, as a content security policy names them. */
export const pageHashes = {
  script: 'sha256-${hashOf('script')}',
  style: 'sha256-${hashOf('style')}',
} as const;
`;

if (!process.argv.includes('--check')) writeFileSync(to, text);
else if (readFileSync(to, 'utf8') !== text) {
  console.error('src/page/lock-page.generated.ts is not what packages/holdfast/scripts/embed-page.mjs writes; run that');
  process.exitCode = 1;
}
