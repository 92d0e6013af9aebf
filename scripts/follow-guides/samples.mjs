// The samples in TypeScript of a page, as somebody has them who installs what the page says, saves each in a file, compiles and runs it.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { root } from '../try-frameworks/project.mjs';

/** Followed word by word elsewhere, or parts of something larger. */
const LEFT_OUT = ['docs/start.md', 'packages/otel/README.md'];
/** Samples that go on where the one before ended are one file. */
const IN_SEQUENCE = ['docs/testing.md'];
/** What pages without a line of their own build on: the start page. */
const START = 'npm install holdfast ioredis';
/** What somebody has already who reads of a framework. */
const HAVE_ALREADY = {
  'packages/nestjs/README.md': 'npm install @nestjs/common @nestjs/core @nestjs/platform-express @nestjs/terminus reflect-metadata rxjs',
};
const COMPILE =
  'npx tsc --strict --module nodenext --target es2022 --lib esnext,dom --types node --skipLibCheck --experimentalDecorators --emitDecoratorMetadata';

/** @returns {string[]} */
export function pagesWithSamples() {
  const docs = readdirSync(join(root, 'docs')).map((file) => `docs/${file}`);
  const packages = readdirSync(join(root, 'packages')).map((name) => `packages/${name}/README.md`);
  return [...docs, ...packages].filter((page) => page.endsWith('.md') && !LEFT_OUT.includes(page) && samplesOf(page).length > 0);
}

export async function followSamples(reader, page) {
  const text = reader.text(page);
  const installs = [...text.matchAll(/^npm install .*$/gm)].map(([line]) => line);
  const types = installs.flatMap((line) => /# TypeScript: (.*)$/.exec(line)?.[1] ?? []);
  const typescript = 'npm install --save-dev typescript @types/node';
  const lines = [HAVE_ALREADY[page] ?? [], installs.length === 0 ? START : installs, types, typescript].flat();
  await reader.type(['npm init -y && npm pkg set type=module', ...new Set(lines)].join('\n'));
  const samples = samplesOf(page);
  const names = samples.map((_, index) => `sample-${index + 1}`);
  for (const [index, name] of names.entries()) reader.save(`${name}.ts`, samples[index]);
  await reader.type(`${COMPILE} ${names.map((name) => `${name}.ts`).join(' ')}`);
  for (const name of names) await reader.type(`node ${name}.js`);
}

function samplesOf(page) {
  const blocks = [...readFileSync(join(root, page), 'utf8').matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code);
  return IN_SEQUENCE.includes(page) ? [blocks.join('\n')] : blocks;
}
