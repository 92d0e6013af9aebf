// Embeds src/scripts/*.lua of a package into its src/scripts.generated.ts: `embed-lua.mjs [folder of the package] [--check]`, this
// package unless another is named. `--check` fails when the file is not what it would write.
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

const folder = process.argv.slice(2).find((argument) => !argument.startsWith('--'));
const root = folder === undefined ? new URL('../', import.meta.url) : pathToFileURL(`${resolve(folder)}/`);
const from = new URL('src/scripts/', root);
const to = new URL('src/scripts.generated.ts', root);

const read = (path) => readFileSync(new URL(path, from), 'utf8');

/** Comments are for readers of the repository; the server gets the code. */
const strip = (text) =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('--'))
    .join('\n');

const INCLUDE = /^-- include (\S+)\.lua$/m;
const camelCase = (name) => name.replace(/-(\w)/g, (_, letter) => letter.toUpperCase());
const namesIn = (folder) =>
  readdirSync(new URL(folder, from)).flatMap((file) => (file.endsWith('.lua') ? [file.slice(0, -'.lua'.length)] : []));

/** Code as a template literal, indented as the file wants it. */
const literal = (code, indent) => {
  const lines = code.split('\n').map((line) => `${indent}  ${JSON.stringify(line).slice(1, -1).replaceAll('\\"', '"')}`);
  if (lines.some((line) => line.includes('`') || line.includes('${'))) throw new Error('a backtick or ${ would need escaping');
  return `lua(\`\n${lines.join('\n')}\n${indent}\`)`;
};

// What several scripts share stands here once, and is put together at load.
const shared = new Map(namesIn('include/').map((name) => [name, strip(read(`include/${name}.lua`))]));

const entries = namesIn('.')
  .sort()
  .map((file) => {
    // Pieces of its own and names of shared ones take turns.
    const pieces = read(`${file}.lua`).split(INCLUDE);
    const parts = pieces.map((piece, i) => (i % 2 === 0 ? { own: strip(piece) } : { include: piece })).filter(({ own }) => own !== '');
    const source = parts.map(({ own, include }) => own ?? shared.get(include)).join('\n');
    const sha = createHash('sha1').update(source).digest('hex');
    const name = camelCase(file);
    const listed = parts.map(({ own, include }) => (include === undefined ? literal(own, '      ') : `shared.${camelCase(include)}`));
    return `  ${name}: {\n    name: '${name}',\n    sha: '${sha}',\n    source: [\n${listed.map((part) => `      ${part},\n`).join('')}    ].join('\\n'),\n  },`;
  });

const text = `// Written by scripts/embed-lua.mjs from src/scripts/*.lua; do not edit.

/** One step, and the name by which the server knows it once it is loaded. */
export interface Script {
  readonly name: string;
  readonly sha: string;
  readonly source: string;
}

/** The text as it was hashed: without the indentation that it has here. */
const lua = (text: string): string => text.trim().replace(/\\n +/g, '\\n');

const shared = {
${[...shared].map(([name, code]) => `  ${camelCase(name)}: ${literal(code, '  ')},`).join('\n')}
};

export const scripts = {
${entries.join('\n')}
} as const satisfies Record<string, Script>;
`;

if (process.argv.includes('--check')) {
  if (readFileSync(to, 'utf8') !== text) {
    console.error(`${to.pathname} is out of date: run node packages/redis/scripts/embed-lua.mjs ${folder ?? ''}`);
    process.exit(1);
  }
} else {
  writeFileSync(to, text);
}
