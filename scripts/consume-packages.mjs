// Uses packed packages as a service would: every entry point is loaded by Node, as an ES module and as CommonJS, and type-checked, with the pages'
// samples of what is typed by a framework, by the oldest TypeScript that we support and by the newest.
import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { checkBundles } from './consumer/bundles.mjs';
import { OPTIONS } from './consumer/options.mjs';

/** What `require` finds where Node does not load ES modules by it: the CommonJS files. */
const NO_REQUIRE_ESM = '--no-experimental-require-module';

/** Made for a framework that is an ES module itself: who uses it can import. */
const OF_ES_MODULES = ['@holdfast/nestjs'];

/** The peers that an entry point or a sample is made for, by the package whose dependencies have them. */
const PEERS = [
  ['otel', '@opentelemetry/api'],
  ['fastify', 'fastify'],
  ['nestjs', '@nestjs/common'],
  ['nestjs', '@nestjs/core'],
  ['nestjs', '@nestjs/terminus'],
  ['nestjs', 'reflect-metadata'],
  ['jobs', 'node-cron'],
];
const PAGES = [
  'packages/nestjs/README.md',
  'packages/fastify/README.md',
  'packages/otel/README.md',
  'docs/node-cron.md',
  'docs/web-locks.md',
  'docs/monitoring.md',
];

/**
 * @param directory an empty directory to build the consumer in
 * @param tarballs Map of package name -> tarball
 * @returns problems as texts; none when all is well
 */
export async function consumePackages(root, directory, tarballs) {
  const modules = join(directory, 'node_modules');
  const specifiers = [];
  for (const [name, tarball] of tarballs) {
    const folder = join(modules, name);
    mkdirSync(folder, { recursive: true });
    spawnSync('tar', ['-xzf', tarball, '-C', folder, '--strip-components=1']);
    const { exports } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'));
    for (const path of Object.keys(exports)) if (!path.endsWith('.json')) specifiers.push(name + path.slice(1));
  }
  // No driver is installed here: they are optional peers, so everything has to load without them.
  mkdirSync(join(modules, '@types'), { recursive: true });
  symlinkSync(join(root, 'node_modules/@types/node'), join(modules, '@types/node'));
  // The peers that an entry point is made for: who imports holdfast/otel or a framework's package has them.
  for (const [folder, peer] of PEERS) {
    mkdirSync(dirname(join(modules, peer)), { recursive: true });
    symlinkSync(realpathSync(join(root, 'packages', folder, 'node_modules', peer)), join(modules, peer));
  }

  writeFileSync(join(directory, 'package.json'), JSON.stringify({ name: 'consumer', private: true }));
  for (const ending of ['mts', 'cts', 'ts']) writeFileSync(join(directory, `consumer.${ending}`), sourceOf(specifiers));
  const forCommonJs = specifiers.filter((specifier) => !OF_ES_MODULES.includes(specifier));
  writeFileSync(join(directory, 'classic.cts'), sourceOf(forCommonJs));
  const samples = samplesOf(root).map((code, index) => ({ file: `sample-${index}.mts`, code }));
  for (const { file, code } of samples) writeFileSync(join(directory, file), code);
  copyFileSync(new URL('consumer/both-copies.mjs', import.meta.url), join(directory, 'both-copies.mjs'));
  writeFileSync(join(directory, 'options.mts'), OPTIONS);

  const all = JSON.stringify(specifiers);
  const runs = [
    ...typeChecks(
      root,
      directory,
      samples.map(({ file }) => file),
    ),
    { tool: 'Node, import', args: ['--input-type=module', '--eval', `await Promise.all(${all}.map((each) => import(each)))`] },
    { tool: 'Node, require', args: ['--input-type=commonjs', '--eval', `${all}.map((each) => require(each))`] },
    {
      tool: 'Node without require(esm)',
      args: [NO_REQUIRE_ESM, '--input-type=commonjs', '--eval', `${JSON.stringify(forCommonJs)}.map((each) => require(each))`],
    },
    { tool: 'a resolver without exports', args: ['--eval', `${all}.map((each) => require(${JSON.stringify(modules)} + '/' + each))`] },
    { tool: 'both copies in one process', args: [NO_REQUIRE_ESM, 'both-copies.mjs'] },
  ];
  const problems = runs.flatMap(({ tool, args }) => {
    const result = spawnSync(process.execPath, args, { cwd: directory, encoding: 'utf8' });
    const isWell = result.status === 0 && warningsIn(result.stderr) === '';
    console.log(`${isWell ? 'ok  ' : 'FAIL'} as a service uses them: ${tool}, ${specifiers.length} entry points`);
    return isWell ? [] : [`${tool} cannot use the packed packages:\n${result.stdout}${result.stderr}`];
  });
  return [...problems, ...(await checkBundles(directory, specifiers))];
}

function samplesOf(root) {
  return PAGES.flatMap((page) => [...readFileSync(join(root, page), 'utf8').matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code));
}

function sourceOf(specifiers) {
  const imports = specifiers.map((specifier, index) => `import * as entry${index} from '${specifier}';`);
  const names = specifiers.map((_, index) => `entry${index}`);
  return `${imports.join('\n')}\nexport const entries: object[] = [${names.join(', ')}];\n`;
}

/** Node says of its own `require` of an ES module that it is experimental, up to 24 and once a process; nothing else may be said. */
function warningsIn(stderr) {
  return stderr
    .split('\n')
    .filter((line) => line !== '' && !line.includes('ExperimentalWarning') && !line.includes('--trace-warnings'))
    .join('\n');
}

/** Every way in which TypeScript looks for types, by the oldest compiler that we support and by the newest. */
function typeChecks(root, directory, samples) {
  const shared = { target: 'es2023', lib: ['es2023'], strict: true, exactOptionalPropertyTypes: true, noEmit: true, skipLibCheck: false };
  const ways = [
    { title: 'import', file: 'consumer.mts', module: 'nodenext' },
    { title: 'require', file: 'consumer.cts', module: 'nodenext' },
    { title: 'options that exclude each other', file: 'options.mts', module: 'nodenext' },
    { title: 'require, node16', file: 'classic.cts', module: 'node16' },
    { title: 'a bundler', file: 'consumer.ts', module: 'esnext', moduleResolution: 'bundler' },
    // Later compilers know it no more.
    { title: 'without exports', file: 'consumer.ts', module: 'commonjs', moduleResolution: 'node10', esModuleInterop: true, only: '5.8' },
    // Ours hold without the types of a browser; a framework's own declarations are its own affair.
    {
      title: `${samples.length} samples of the pages`,
      files: samples,
      module: 'nodenext',
      lib: ['es2023', 'esnext.disposable', 'dom'],
      skipLibCheck: true,
      experimentalDecorators: true,
    },
  ];
  const compilers = [
    ['5.8', 'typescript-5.8/lib/tsc.js'],
    ['the newest', 'typescript/bin/tsc'],
  ];
  return ways.flatMap(({ title, file, files = [file], only, ...options }, index) => {
    const project = join(directory, `tsconfig.${index}.json`);
    writeFileSync(project, JSON.stringify({ compilerOptions: { ...shared, ...options, types: ['node'] }, files }));
    return compilers
      .filter(([version]) => only === undefined || only === version)
      .map(([version, path]) => ({
        tool: `TypeScript ${version}, ${title}`,
        args: [join(root, 'node_modules', path), '--project', project],
      }));
  });
}
