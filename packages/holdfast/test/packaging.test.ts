import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { type RedisServer, startRedis } from '@holdfast/test/servers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mustRun, runCommand } from './run-command.js';
import { createProject, nodeIn, packAll, type PackageManager, type Tarballs } from './tarball-project.js';

// What a user types after `npm i holdfast ioredis`: valid JavaScript and TypeScript alike.
const MAIN = `
import { connect, isLockError } from 'holdfast';
import { createMemoryBackend } from 'holdfast/memory';
import { createManualClock } from 'holdfast/testing';
import { describeLockManager } from 'holdfast/conformance';
import { createRedisBackend } from 'holdfast/redis';

if ([createMemoryBackend, createManualClock, describeLockManager, createRedisBackend].some((made) => typeof made !== 'function')) process.exit(3);

const memory = await connect('memory:', { require: ['fencing'] });
const token = await memory.withLock('order:1', async (lease) => lease.fencingToken + 1n);
if (typeof token !== 'bigint') process.exit(4);
await memory.close();

try {
  const locks = await connect();
  const value = await locks.withLock('order:1', { ttlMs: 10_000, waitMs: 1_000 }, async (lease) => {
    lease.assertHeld();
    return 42;
  });
  await locks.close();
  console.log('value', value);
} catch (error) {
  if (!isLockError(error)) throw error;
  console.log(error.code, error.message);
  if (error.cause instanceof Error) console.log('code' in error.cause ? error.cause.code : null, error.cause.message);
}
`;

// Strict as can be, and our declarations themselves are checked too.
const TSCONFIG = {
  compilerOptions: {
    target: 'ES2022',
    lib: ['ES2022'],
    module: 'NodeNext',
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    noPropertyAccessFromIndexSignature: true,
    skipLibCheck: false,
    noEmit: true,
    types: ['node'],
  },
  files: ['main.ts'],
};
const IOREDIS = { ioredis: '5.11.1' };

let temp: string;
let tarballs: Tarballs;
let server: RedisServer;

beforeAll(async () => {
  temp = await mkdtemp(join(tmpdir(), 'holdfast-packaging-'));
  await mkdir(join(temp, 'tarballs'));
  [tarballs, server] = await Promise.all([packAll(join(temp, 'tarballs')), startRedis()]);
}, 120_000);
afterAll(async () => {
  await server?.close();
  await rm(temp, { recursive: true, force: true });
});

async function project(
  manager: PackageManager,
  name: string,
  dependencies: Readonly<Record<string, string>>,
  files: Readonly<Record<string, string>> = {},
) {
  const folder = join(temp, name);
  await createProject(folder, manager, tarballs, dependencies, { 'main.js': MAIN, ...files });
  return folder;
}

async function run(folder: string, manager: PackageManager): Promise<string> {
  const { command, args, cwd } = nodeIn(folder, manager, 'main.js');
  return await mustRun(command, args, { cwd, env: { HOLDFAST_URL: `${server.url}?prefix=packaging:`, NODE_OPTIONS: undefined } });
}

// Each has a project of its own.
describe.concurrent('the packages as they are published', () => {
  it('hold what they run on, their sources for debuggers and the licence, and nothing of the workspace', async () => {
    for (const tarball of Object.values(tarballs)) {
      const list = (await mustRun('tar', ['-tzf', tarball])).trim().split('\n');
      expect(list).toEqual(
        expect.arrayContaining([
          'package/package.json',
          'package/LICENSE',
          'package/dist/index.js',
          'package/dist/index.d.ts',
          'package/src/index.ts',
        ]),
      );
      expect(
        list.filter(
          (file) =>
            /test|tsbuildinfo|tsconfig|demo/.test(file) &&
            !/\/testing\b|\/templates\//.test(file) &&
            !/test-(?:memory-)?store|test-runner/.test(file),
        ),
      ).toEqual([]);
      const manifest = await mustRun('tar', ['-xzOf', tarball, 'package/package.json']);
      expect(manifest).not.toContain('workspace:');
    }
  });

  it.each<PackageManager>(['npm', 'pnpm', 'yarn classic', 'yarn berry'])(
    'work after an installation with %s',
    async (manager) => {
      expect(await run(await project(manager, manager.replace(' ', '-'), IOREDIS), manager)).toBe('value 42\n');
    },
    240_000,
  );

  it('compile for users of the oldest and of the newest TypeScript', async () => {
    const versions = { ...IOREDIS, typescript: '5.8.3', '@types/node': '20.19.43' };
    const folder = await project('npm', 'typescript', versions, { 'main.ts': MAIN, 'tsconfig.json': JSON.stringify(TSCONFIG) });
    const newest = fileURLToPath(new URL('../../../node_modules/typescript', import.meta.url));
    for (const compiler of [join(folder, 'node_modules/typescript'), newest]) {
      const { bin } = JSON.parse(await readFile(join(compiler, 'package.json'), 'utf8')) as { bin: { tsc: string } };
      const { code, stdout } = await runCommand(process.execPath, [join(compiler, bin.tsc), '-p', folder], { timeoutMs: 120_000 });
      expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    }
  }, 240_000);

  it('bring the command line', async () => {
    const folder = await project('npm', 'command-line', IOREDIS);
    const npx = (...args: readonly string[]): ReturnType<typeof runCommand> =>
      runCommand('npx', ['--no-install', 'holdfast', ...args], {
        cwd: folder,
        env: { HOLDFAST_URL: `${server.url}?prefix=packaging:`, NODE_OPTIONS: undefined, npm_config_loglevel: 'error' },
      });
    const { version } = JSON.parse(await readFile(join(folder, 'node_modules/holdfast/package.json'), 'utf8')) as { version: string };
    expect(await npx('--version')).toMatchObject({ code: 0, stdout: `${version}\n` });
    expect((await npx('--help')).stdout).toMatch(/^Usage: holdfast /);
    expect(await npx('run', 'order:1', '--', 'sh', '-c', 'echo under $HOLDFAST_LOCK; exit 3')).toEqual({
      code: 3,
      stdout: 'under order:1\n',
      stderr: '',
    });
    expect(JSON.parse((await npx('inspect', 'order:1', '--json')).stdout)).toMatchObject({ held: false });
  }, 240_000);

  it('work in a bundle, and say why when the bundler has left the driver in pieces', async () => {
    const folder = await project('npm', 'bundle', { ...IOREDIS, esbuild: '0.25.12' });
    const bundle = async (file: string, ...args: readonly string[]): Promise<string> => {
      const options = ['--bundle', '--platform=node', '--format=esm', `--outfile=${join(folder, file)}`, ...args];
      await mustRun(join(folder, 'node_modules/.bin/esbuild'), [join(folder, 'main.js'), '--log-level=error', ...options], { cwd: folder });
      return await mustRun(process.execPath, [join(folder, file)], {
        cwd: temp,
        env: { HOLDFAST_URL: `${server.url}?prefix=packaging:`, NODE_OPTIONS: undefined },
      });
    };
    const reason = 'Dynamic require of "events" is not supported';
    expect(await bundle('pieces.mjs')).toMatch(
      new RegExp(`^LOCK_BACKEND_UNAVAILABLE connect: .*the driver ioredis could not be loaded: ${reason}\nnull ${reason}`),
    );
    const banner = `import { createRequire as makeRequire } from 'node:module'; const require = makeRequire(import.meta.url);`;
    expect(await bundle('whole.mjs', `--banner:js=${banner}`)).toBe('value 42\n');
    expect(await bundle('outside.mjs', '--external:ioredis')).toBe('value 42\n');
  }, 240_000);

  it('say what to install when the driver is missing, and why it does not load when it is there', async () => {
    const folder = await project('npm', 'no-driver', {});
    expect(await run(folder, 'npm')).toMatch(/^LOCK_BACKEND_UNAVAILABLE connect: .*npm (?:i|install) ioredis\n.*ioredis/);
    const driver = join(folder, 'node_modules/ioredis');
    await mkdir(driver);
    await writeFile(join(driver, 'package.json'), '{ "type": "module", "exports": "./index.js" }');
    await writeFile(join(driver, 'index.js'), `import 'what-it-needs';`);
    expect(await run(folder, 'npm')).toMatch(
      /^LOCK_BACKEND_UNAVAILABLE connect: .*could not be loaded: .*what-it-needs.*\nERR_MODULE_NOT_FOUND .*what-it-needs/,
    );
  }, 240_000);
});
