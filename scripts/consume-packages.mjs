// Uses packed packages as a service would: every entry point is loaded by Node, and type-checked, with the pages' samples of what is typed by a framework, by the oldest
// TypeScript that we support and by the newest.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

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
export function consumePackages(root, directory, tarballs) {
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

  writeFileSync(join(directory, 'package.json'), JSON.stringify({ name: 'consumer', private: true, type: 'module' }));
  const imports = specifiers.map((specifier, index) => `import * as entry${index} from '${specifier}';`);
  const names = specifiers.map((_, index) => `entry${index}`);
  writeFileSync(join(directory, 'consumer.ts'), `${imports.join('\n')}\nexport const entries: object[] = [${names.join(', ')}];\n`);
  const samples = PAGES.flatMap((page) =>
    [...readFileSync(join(root, page), 'utf8').matchAll(/```ts\n(.*?)```/gs)].map(([, code]) => code),
  );
  for (const [index, code] of samples.entries()) writeFileSync(join(directory, `sample-${index}.ts`), code);
  const common = { module: 'nodenext', target: 'es2023', strict: true, exactOptionalPropertyTypes: true, noEmit: true, types: ['node'] };
  // Ours hold without the types of a browser; a framework's own declarations are its own affair.
  const projects = {
    'tsconfig.json': { compilerOptions: { ...common, lib: ['es2023'], skipLibCheck: false }, files: ['consumer.ts'] },
    'tsconfig.samples.json': {
      compilerOptions: { ...common, lib: ['es2023', 'esnext.disposable', 'dom'], skipLibCheck: true, experimentalDecorators: true },
      files: samples.map((_, index) => `sample-${index}.ts`),
    },
  };
  for (const [file, project] of Object.entries(projects)) writeFileSync(join(directory, file), JSON.stringify(project));

  const compilers = { 'TypeScript 5.8': 'typescript-5.8/lib/tsc.js', 'the newest TypeScript': 'typescript/bin/tsc' };
  const runs = [
    ...Object.entries(compilers).flatMap(([tool, path]) =>
      Object.keys(projects).map((project) => ({
        tool: `${tool}, ${project}`,
        args: [join(root, 'node_modules', path), '--project', join(directory, project)],
      })),
    ),
    {
      tool: 'Node',
      args: ['--input-type=module', '--eval', `await Promise.all(${JSON.stringify(specifiers)}.map((each) => import(each)))`],
    },
  ];
  return runs.flatMap(({ tool, args }) => {
    const result = spawnSync(process.execPath, args, { cwd: directory, encoding: 'utf8' });
    console.log(
      `${result.status === 0 ? 'ok  ' : 'FAIL'} as a service uses them: ${tool}, ${specifiers.length} entry points, ${samples.length} samples`,
    );
    return result.status === 0 ? [] : [`${tool} cannot use the packed packages:\n${result.stdout}${result.stderr}`];
  });
}
