// Bundles packed packages as a service would: no warning, one copy however it is asked for, and no entry point larger than it is meant to be.
import { spawnSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

/** What services bring themselves. */
const EXTERNAL = [
  '@valkey/valkey-glide',
  '@nestjs/*',
  '@opentelemetry/*',
  'fastify',
  'fastify-plugin',
  'ioredis',
  'iovalkey',
  'node-cron',
  'node-zookeeper-client',
  'pg',
  'redis',
  'rxjs',
];

/** One bundle has both ways of asking; `module` leads both to the same file. */
const BOTH_WAYS = `
import { connect } from 'holdfast';
const required = require('holdfast');
if (required.connect !== connect) throw new Error('two copies in one bundle');
connect('memory:').then(async (locks) => {
  await locks.withLock('name', () => {});
  await locks.close();
  console.log('done');
});
`;

/**
 * @param directory the consumer's, with `node_modules`
 * @returns problems as texts; none when all is well
 */
export async function checkBundles(directory, specifiers) {
  const limits = JSON.parse(readFileSync(new URL('entry-sizes.json', import.meta.url), 'utf8'));
  const problems = [];
  for (const specifier of specifiers) {
    const { outputFiles, warnings } = await bundle(directory, `export * from '${specifier}';`, 'esm');
    const size = Math.ceil((outputFiles[0]?.contents.length ?? 0) / 1024);
    const limit = limits[specifier];
    if (limit === undefined)
      problems.push(`${specifier} is no entry of scripts/consumer/entry-sizes.json; bundled and minified it has ${size} KiB`);
    else if (size > limit)
      problems.push(`${specifier} has ${size} KiB, bundled and minified; scripts/consumer/entry-sizes.json allows ${limit}`);
    for (const { text } of warnings) problems.push(`esbuild warns of ${specifier}: ${text}`);
  }
  for (const surplus of Object.keys(limits).filter((name) => !specifiers.includes(name)))
    problems.push(`entry-sizes.json: no entry point ${surplus}`);
  const { outputFiles, warnings } = await bundle(directory, BOTH_WAYS, 'cjs');
  const file = join(directory, 'bundle.cjs');
  writeFileSync(file, outputFiles[0]?.contents ?? '');
  const run = spawnSync(process.execPath, [file], { cwd: directory, encoding: 'utf8' });
  if (run.stdout !== 'done\n' || run.stderr !== '') problems.push(`a bundle that imports and requires:\n${run.stdout}${run.stderr}`);
  for (const { text } of warnings) problems.push(`esbuild warns of a bundle that imports and requires: ${text}`);
  console.log(`${problems.length === 0 ? 'ok  ' : 'FAIL'} bundles: ${specifiers.length} entry points`);
  return problems;
}

function bundle(directory, contents, format) {
  return build({
    stdin: { contents, resolveDir: directory },
    bundle: true,
    minify: true,
    write: false,
    format,
    platform: 'node',
    external: EXTERNAL,
    logLevel: 'silent',
  });
}
