// The recipes of the pages, as they are written there: compiled by the oldest TypeScript and by the newest, and run on a real Redis.
import { join } from 'node:path';
import { blocksOf, install, mustRun, root, writeProject } from './project.mjs';

const REDIS = 'redis://localhost:6379';
const compilerOptions = {
  target: 'es2023',
  lib: ['es2023', 'esnext.disposable', 'dom'],
  module: 'nodenext',
  strict: true,
  exactOptionalPropertyTypes: true,
  experimentalDecorators: true,
  skipLibCheck: true,
  types: ['node'],
};
const COMPILERS = { 'TypeScript 5.8': 'typescript-5.8/lib/tsc.js', 'the newest TypeScript': 'typescript/bin/tsc' };

/** Compiles `files`, which must be in `folder`, with each compiler; the last one writes JavaScript. */
function compile(folder, files) {
  for (const compiler of Object.values(COMPILERS)) {
    mustRun(process.execPath, [join(root, 'node_modules', compiler), '-p', folder], { cwd: folder });
  }
  return files.map((file) => file.replace(/\.ts$/, '.js'));
}

/**
 * @param recipe its `page`, the `heading` below which it stands (null: the whole page), the `dependencies` that it is tried with, and what is
 *   to be tried `also`, behind the recipe's own request
 */
export async function tryRecipe({ page, heading = null, dependencies, also = '' }, { folder, ours, redisUrl }) {
  const blocks = blocksOf(page, heading, 'ts').map((block) => behindRequest(block, also));
  const sources = Object.fromEntries(blocks.map((block, index) => [`recipe-${index + 1}.ts`, block.replaceAll(REDIS, redisUrl)]));
  const files = { ...sources, 'tsconfig.json': JSON.stringify({ compilerOptions, files: Object.keys(sources) }) };
  writeProject(folder, ours, { holdfast: 'ours', ioredis: '^5', '@types/node': '^20', ...dependencies }, files);
  const { status, output } = install(folder);
  if (status !== 0) throw new Error(`npm install ended with ${status}:\n${output}`);
  for (const script of compile(folder, Object.keys(sources))) mustRun(process.execPath, [script], { cwd: folder, timeout: 60_000 });
}

function behindRequest(block, also) {
  const request = /^.*await (?:fetch|app\.request)\(.*$/m;
  if (also !== '' && !request.test(block)) throw new Error('the recipe makes no request');
  return also === '' ? block : block.replace(request, (line) => `${line}\n${also}`);
}
