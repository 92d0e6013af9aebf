// Looks whether what is published, and the servers of the tests, import what they may: node scripts/check-borders.mjs [root]
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, posix, resolve } from 'node:path';
import ts from 'typescript-5.8';
import { violations } from './borders.mjs';

const root = resolve(process.argv[2] ?? new URL('..', import.meta.url).pathname);

const folders = readdirSync(join(root, 'packages')).map((name) => `packages/${name}/src`);
const files = [...folders, 'test/servers'].filter((folder) => existsSync(join(root, folder))).flatMap(sourcesIn);
const found = files.flatMap((file) => violations(file, importsOf(file)));

for (const line of found) console.error(line);
console.log(`${files.length} files, ${found.length} imports over a border`);
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
function importsOf(file) {
  const text = readFileSync(join(root, file), 'utf8');
  return ts.preProcessFile(text, true, true).importedFiles.map(({ fileName, pos }) => ({
    name: fileName.startsWith('.') ? posix.join(posix.dirname(file), fileName) : fileName,
    isLazy: /\bimport\(\s*['"`]?$/.test(text.slice(0, pos)),
  }));
}
