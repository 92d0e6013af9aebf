// A small service and its tests, and how each bundler and each runner of tests has them.
import { join } from 'node:path';
import { mustRun } from '../try-frameworks/project.mjs';

export const versions = {
  ioredis: '5.11.1',
  webpack: '5.113.0',
  '@vercel/ncc': '0.45.0',
  '@oven/bun-linux-x64': '1.4.5',
  jest: '30.5.2',
  'ts-jest': '29.4.15',
  '@types/jest': '30.0.0',
  '@types/node': '20.19.43',
  typescript: '5.8.3',
  '@swc/core': '1.16.22',
  '@swc/jest': '0.2.39',
};

/** By a client of its own, and by an address, whose driver is loaded when it is needed. */
const SERVICE = `
import { connect } from 'holdfast';
import { createRedisLockManager } from 'holdfast/redis';
import { createJobLockManager } from 'holdfast/jobs';
import { Redis } from 'ioredis';

async function main() {
  if (typeof createJobLockManager !== 'function') throw new Error('no jobs');
  const client = new Redis(process.env.REDIS_URL);
  for (const locks of [createRedisLockManager({ client }), await connect(process.env.REDIS_URL), await connect('memory:')]) {
    const token = await locks.withLock('name', (lease) => lease.fencingToken);
    if (typeof token !== 'bigint') throw new Error('no token');
    await locks.close();
  }
  client.disconnect();
  console.log('done');
}
main();
`;

/** As compilers to CommonJS write it. */
const asCommonJs = (code) => code.replaceAll(/import (.*) from ('.*');/g, 'const $1 = require($2);');

const TEST = `
import { connect, isLockError } from 'holdfast';
import { createMemoryLockManager } from 'holdfast/memory';

test('a lock excludes and is waited for', async () => {
  const locks = await connect(process.env.REDIS_URL ?? '');
  const held = await locks.acquire('jest', { ttlMs: 2_000 });
  expect(await locks.tryAcquire('jest')).toBeNull();
  const next = locks.acquire('jest', { waitMs: 5_000 });
  await held.release();
  await (await next).release();
  const error = await locks.acquire('').catch((reason: unknown) => reason);
  expect(isLockError(error, 'LOCK_INVALID_ARGUMENT')).toBe(true);
  await locks.close();
});

test('locks keep to real time when the test has taken the timers', async () => {
  jest.useFakeTimers();
  const locks = createMemoryLockManager();
  const held = await locks.acquire('name', { ttlMs: 200, renew: false });
  const next = await locks.acquire('name', { waitMs: 5_000 });
  expect(held.isHeld).toBe(false);
  await next.release();
  await locks.close();
  jest.useRealTimers();
});
`;
/** The same as Jest takes it without any configuration. */
const PLAIN_TEST = asCommonJs(TEST).replace('(reason: unknown)', '(reason)');

/** Drivers that are not installed: bundlers look for every driver that a URL may name. */
const ABSENT = ['redis', 'iovalkey', '@valkey/valkey-glide', 'pg', 'node-zookeeper-client'];

const WEBPACK = `
const { resolve } = require('node:path');
require('webpack')({ mode: 'production', target: 'node20', entry: './service.mjs', externals: ${JSON.stringify(ABSENT)}, externalsType: 'node-commonjs', output: { path: resolve('out'), filename: 'webpack.js', library: { type: 'commonjs' } } }, (error, stats) => {
  if (error !== null && error !== undefined) throw error;
  console.log(stats.toString({ all: false, errors: true, warnings: true }));
  if (stats.hasErrors() || stats.hasWarnings()) process.exitCode = 1;
});
`;

export const files = {
  'service.mjs': SERVICE,
  'service.cjs': asCommonJs(SERVICE),
  'webpack.cjs': WEBPACK,
  'out/package.json': JSON.stringify({ type: 'commonjs' }),
  'plain/plain.test.cjs': PLAIN_TEST,
  'typed/typed.test.ts': TEST,
  'tsconfig.json': JSON.stringify({
    compilerOptions: { strict: true, esModuleInterop: true, module: 'commonjs', target: 'es2022', types: ['jest', 'node'] },
  }),
  'jest.plain.config.cjs': `module.exports = { testMatch: ['**/plain/*.test.cjs'] };`,
  'jest.ts.config.cjs': `module.exports = { preset: 'ts-jest', testMatch: ['**/typed/*.test.ts'] };`,
  'jest.swc.config.cjs': `module.exports = { transform: { '^.+\\\\.ts$': ['@swc/jest', { module: { type: 'commonjs' } }] }, testMatch: ['**/typed/*.test.ts'] };`,
};

function mustBeDone(file, { folder, env }) {
  const said = mustRun(process.execPath, [join(folder, file)], { cwd: join(folder, 'out'), env });
  if (said !== 'done\n') throw new Error(`${file} said:\n${said}`);
}

/** Whatever a bundler says of what is ours, or of a driver that we have not told it to leave alone. */
function mustNotWarn(said) {
  if (/warn|not found|could not resolve/i.test(said)) throw new Error(`it warns:\n${said}`);
}

const jest = (config) => (project) => {
  const said = mustRun('npx', ['jest', '--config', config, '--ci'], { cwd: project.folder, env: project.env });
  if (!said.includes('2 passed')) throw new Error(said);
  // Jest says so when something of a test keeps the process alive.
  if (/did not exit/i.test(said)) throw new Error(said);
};

export const tries = {
  webpack: (project) => {
    mustNotWarn(mustRun(process.execPath, ['webpack.cjs'], { cwd: project.folder }));
    mustBeDone('out/webpack.js', project);
  },
  ncc: (project) => {
    mustNotWarn(
      mustRun('npx', ['ncc', 'build', 'service.cjs', '--out', 'out/ncc', ...ABSENT.flatMap((name) => ['--external', name])], {
        cwd: project.folder,
      }),
    );
    mustBeDone('out/ncc/index.cjs', project);
  },
  // Of an ES module ncc makes one that imports every external package at its start, wanted or not: so drivers that are not installed are not
  // named, and ncc leaves in their place what says so when somebody asks for them.
  'ncc-esm': (project) => {
    mustNotWarn(mustRun('npx', ['ncc', 'build', 'service.mjs', '--out', 'out/ncc-esm'], { cwd: project.folder }));
    mustBeDone('out/ncc-esm/index.mjs', project);
  },
  bun: (project) => {
    const args = ['build', 'service.mjs', '--target=node', '--outfile=out/bun.mjs', ...ABSENT.flatMap((name) => ['--external', name])];
    mustNotWarn(mustRun(join(project.folder, 'node_modules/@oven/bun-linux-x64/bin/bun'), args, { cwd: project.folder }));
    mustBeDone('out/bun.mjs', project);
  },
  jest: jest('jest.plain.config.cjs'),
  'ts-jest': jest('jest.ts.config.cjs'),
  '@swc/jest': jest('jest.swc.config.cjs'),
};
