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

/** Puts the parts in place of their `-- include` lines. */
const assemble = (text) => text.replace(/^-- include (\S+)$/gm, (_, part) => read(`include/${part}`));

/** Comments are for readers of the repository; the server gets the code. */
const strip = (text) =>
  text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('--'))
    .join('\n');

const camelCase = (name) => name.replace(/-(\w)/g, (_, letter) => letter.toUpperCase());

const entries = readdirSync(from)
  .filter((file) => file.endsWith('.lua'))
  .sort()
  .map((file) => {
    const source = strip(assemble(read(file)));
    const name = camelCase(file.slice(0, -'.lua'.length));
    const sha = createHash('sha1').update(source).digest('hex');
    const lines = source
      .split('\n')
      .map((line) => `      ${JSON.stringify(line).slice(1, -1).replaceAll('\\"', '"').replaceAll('`', '\\`')}`);
    if (lines.some((line) => line.includes('`') || line.includes('${'))) throw new Error(`${file}: a backtick or \${ would need escaping`);
    return `  ${name}: {\n    name: '${name}',\n    sha: '${sha}',\n    source: lua(\`\n${lines.join('\n')}\n    \`),\n  },`;
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
