// Looks for words that our texts do without, in every page, every message and comment of the packages and every title of a test: node scripts/check-words.mjs
// The docstrings of what is exported are looked at by api.mjs --check.
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { wrongWords } from './words.mjs';

const root = fileURLToPath(new URL('../../', import.meta.url));
const NO_TEXTS = /(^|\/)(node_modules|dist|dist-test|publish(?:\.\d+)?|api|reports|CHANGELOG\.md)(\/|$)|^\.|\.generated\.ts$/;

const files = ['', 'docs/', 'bench/', 'examples/', 'packages/', 'site/', 'test/'].flatMap(filesIn).filter((file) => !NO_TEXTS.test(file));
const pages = [...new Set(files)].filter((file) => file.endsWith('.md'));
const sources = [...new Set(files)].filter((file) => /^packages\/[^/]+\/src\/.*\.ts$/.test(file));
const scripts = [...new Set(files)].filter((file) => /^packages\/[^/]+\/src\/.*\.lua$/.test(file));
const tests = [...new Set(files)].filter((file) => file.endsWith('.test.ts'));

let count = 0;
for (const file of pages) look(file, linesOf(readFileSync(root + file, 'utf8')));
for (const file of sources) {
  const text = readFileSync(root + file, 'utf8');
  look(file, messagesOf(text));
  look(file, commentsOf(text));
}
for (const file of scripts) look(file, linesOf(readFileSync(root + file, 'utf8').replace(/^(?:(?!--).)*/gm, '')));
for (const file of tests) look(file, titlesOf(readFileSync(root + file, 'utf8')));
console.log(
  `${pages.length} pages, ${sources.length} sources, ${scripts.length} scripts, ${tests.length} files of tests, ${count} words to replace`,
);
process.exitCode = count > 0 || pages.length === 0 || sources.length === 0 || scripts.length === 0 || tests.length === 0 ? 1 : 0;

/** @param {Iterable<readonly [number, string]>} texts with the line on which each stands */
function look(file, texts) {
  for (const [line, text] of texts) {
    for (const wrong of wrongWords(text)) {
      console.error(`${file}:${line}: ${wrong}`);
      count += 1;
    }
  }
}

/** A page without its code: what is a name there is no word. */
function linesOf(text) {
  const words = text.replace(/^```.*?^```/gms, (code) => code.replace(/[^\n]/g, '')).replace(/`[^`\n]*`|\]\([^)]*\)/g, '');
  return words.split('\n').map((line, index) => [index + 1, line]);
}

/** The strings of a source that are sentences: those with a space in them. */
function messagesOf(text) {
  return stringsIn(text, (node) => node.text.trim().includes(' '));
}

/** The comments of a source, without what is a name in them. */
function commentsOf(text) {
  const source = ts.createSourceFile('source.ts', text, ts.ScriptTarget.Latest, true);
  const ranges = new Map();
  const visit = (node) => {
    const around = [ts.getLeadingCommentRanges(text, node.getFullStart()), ts.getTrailingCommentRanges(text, node.getEnd())];
    for (const range of around.flatMap((each) => each ?? [])) ranges.set(range.pos, range);
    ts.forEachChild(node, visit);
  };
  visit(source);
  visit(source.endOfFileToken);
  return [...ranges.values()].flatMap(({ pos, end }) => {
    const first = source.getLineAndCharacterOfPosition(pos).line;
    return linesOf(text.slice(pos, end)).map(([line, words]) => [first + line, words]);
  });
}

/** The first argument of what declares tests, `it.each(...)(...)` included. */
function titlesOf(text) {
  return stringsIn(text, (node) => {
    let title = node;
    while (ts.isTemplateSpan(title.parent) || ts.isTemplateExpression(title.parent)) title = title.parent;
    const call = title.parent;
    return ts.isCallExpression(call) && call.arguments[0] === title && /^(describe|it|test)\b/.test(call.expression.getText());
  });
}

/** @returns {readonly (readonly [number, string])[]} the texts, with the line on which each stands */
function stringsIn(text, isWanted) {
  const source = ts.createSourceFile('source.ts', text, ts.ScriptTarget.Latest, true);
  const found = [];
  const visit = (node) => {
    const isText = ts.isStringLiteralLike(node) || ts.isTemplateHead(node) || ts.isTemplateMiddle(node) || ts.isTemplateTail(node);
    if (isText && isWanted(node)) found.push([source.getLineAndCharacterOfPosition(node.getStart(source)).line + 1, node.text]);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return found;
}

function filesIn(folder) {
  const isRoot = folder === '';
  return readdirSync(root + folder, { recursive: !isRoot, encoding: 'utf8', withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => `${entry.parentPath}/${entry.name}`.replaceAll('//', '/').slice(root.length));
}
