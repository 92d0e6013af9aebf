// Uses packed packages as a service would: every entry point is loaded by Node and type-checked by the oldest TypeScript that we support.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const PEERS = [
  ['otel', '@opentelemetry/api'],
  ['fastify', 'fastify'],
  ['nestjs', '@nestjs/common'],
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
  const compilerOptions = {
    module: 'nodenext',
    target: 'es2023',
    lib: ['es2023'],
    strict: true,
    exactOptionalPropertyTypes: true,
    noEmit: true,
    skipLibCheck: false,
    types: ['node'],
  };
  writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify({ compilerOptions, files: ['consumer.ts'] }));

  const compiler = join(root, 'node_modules/typescript-5.8/lib/tsc.js');
  const runs = [
    { tool: 'TypeScript 5.8', args: [compiler, '--project', directory] },
    {
      tool: 'Node',
      args: ['--input-type=module', '--eval', `await Promise.all(${JSON.stringify(specifiers)}.map((each) => import(each)))`],
    },
  ];
  return runs.flatMap(({ tool, args }) => {
    const result = spawnSync(process.execPath, args, { cwd: directory, encoding: 'utf8' });
    console.log(`${result.status === 0 ? 'ok  ' : 'FAIL'} as a service uses them: ${tool}, ${specifiers.length} entry points`);
    return result.status === 0 ? [] : [`${tool} cannot use the packed packages:\n${result.stdout}${result.stderr}`];
  });
}
