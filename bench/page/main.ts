import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, relative } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { benchmarksPage } from './benchmarks-page.js';
import { chartsOf } from './charts.js';
import { FigureTable } from './figure-table.js';
import { readResults } from './read-results.js';
import { scalePage } from './scale-page.js';

const root = fileURLToPath(new URL('../../../', import.meta.url));
const usage = `Writes docs/benchmarks.md with its pictures, and docs/scale.md, from bench/results.json, bench/results-*.json and bench/again-*.json, which \`pnpm bench:all\` has written.

  pnpm bench:page [--check]

  --check   write nothing; end with 1 when a file is not as it would be written`;

process.exitCode = await main(process.argv.slice(2).filter((arg) => arg !== '--'));

async function main(args: readonly string[]): Promise<number> {
  if (args.some((arg) => arg !== '--check')) {
    console.error(usage);
    return 2;
  }
  const table = new FigureTable(await readResults(`${root}bench/results.json`));
  const readAll = async (pattern: RegExp): Promise<readonly FigureTable[]> =>
    Promise.all((await filesLike(pattern)).map(async (file) => new FigureTable(await readResults(file))));
  const [others, again] = [await readAll(/^results-.+\.json$/), await readAll(/^again-.+\.json$/)];
  const charts = chartsOf(table);
  const files: readonly (readonly [file: string, content: string])[] = [
    [`${root}docs/benchmarks.md`, benchmarksPage(table, charts, others, again)],
    [`${root}docs/scale.md`, scalePage(table)],
    ...charts.flatMap(({ file, svg }) => (svg === null ? [] : [[`${root}docs/pictures/benchmarks/${file}`, svg] as const])),
  ];
  const stale: string[] = [];
  for (const [file, content] of files) {
    if (!args.includes('--check')) {
      await mkdir(dirname(file), { recursive: true });
      await writeFile(file, content);
    } else if ((await readFile(file, 'utf8').catch(() => '')) !== content) stale.push(relative(root, file));
  }
  for (const file of stale) console.error(`${file} is not what bench/results.json says; run: pnpm bench:page`);
  return stale.length === 0 ? 0 : 1;
}

/** `results-*`: runs on another Node, or with other servers; `again-*`: shorter runs, as the main one. */
async function filesLike(pattern: RegExp): Promise<readonly string[]> {
  const names = await readdir(`${root}bench`);
  return names
    .filter((name) => pattern.test(name))
    .toSorted()
    .map((name) => `${root}bench/${name}`);
}
