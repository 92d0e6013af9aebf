// What is tried, by name.
import { tryNext } from './next-app.mjs';
import { tryRecipe } from './recipes.mjs';
import { tryRefusal } from './refusals.mjs';
import { trySuite } from './suites.mjs';

const FRAMEWORKS = 'docs/frameworks.md';
const NEST_TEST = 'packages/nestjs/dist-test/test/nest.test.js';
const FASTIFY_TEST = 'packages/fastify/dist-test/test/holdfast-plugin.test.js';
const nest = (major, dependencies) => ({
  '@holdfast/nestjs': 'ours',
  '@holdfast/core': 'ours',
  '@nestjs/common': major,
  '@nestjs/core': major,
  'reflect-metadata': '^0.2',
  rxjs: '^7',
  ...dependencies,
});
const REACT = { react: '^19', 'react-dom': '^19', typescript: '~5.9', '@types/react': '^19', '@types/node': '^20' };
const FASTIFY_4 = `import fastify from 'fastify';
import { holdfastPlugin } from '@holdfast/fastify';
const app = fastify();
app.register(holdfastPlugin, { manager: () => null });
await app.ready();
`;
const TERMINUS_10 = `import 'reflect-metadata';
import { LockHealthIndicator } from '@holdfast/nestjs';
import { createMemoryLockManager } from '@holdfast/core/memory';
await new LockHealthIndicator(createMemoryLockManager()).isHealthy().catch(({ code, message }) => console.log(code, message));
`;
const connecting = (...urls) => `import { connect } from 'holdfast';
for (const url of ${JSON.stringify(urls)}) await connect(url).catch(({ code, message }) => console.log(code, message));
`;
const missing = (name) => new RegExp(`ERR_MODULE_NOT_FOUND.*Cannot find package '${name}'`);
const peer = (name) => new RegExp(`ERESOLVE[\\s\\S]*peerOptional ${name}@`);

const recipe =
  (heading, dependencies, page = FRAMEWORKS) =>
  (place) =>
    tryRecipe({ page, heading, dependencies }, place);
const suite = (test, dependencies) => async (place) => trySuite({ test, dependencies }, place);
const refusal = (what) => async (place) => tryRefusal(what, place);
const next =
  (dependencies, ...build) =>
  (place) =>
    tryNext({ dependencies: { ...REACT, ...dependencies }, build }, place);

export const tries = {
  'next-16': next({ next: '^16' }),
  'next-16-webpack': next({ next: '^16' }, '--webpack'),
  'next-15': next({ next: '^15' }),
  'nest-11': suite(NEST_TEST, nest('^11', { '@nestjs/schedule': '^6', '@nestjs/terminus': '^11' })),
  'nest-newest': suite(NEST_TEST, nest('latest', { '@nestjs/schedule': 'latest', '@nestjs/terminus': 'latest' })),
  // Nest 10 does what the module needs; terminus 10 does not.
  'terminus-10': refusal({
    dependencies: nest('^10', { '@nestjs/terminus': '^10' }),
    npm: peer('@nestjs/common'),
    program: TERMINUS_10,
    says: /LOCK_INVALID_ARGUMENT .*@nestjs\/terminus 10\.[\d.]+ is installed/,
  }),
  'nest-missing': refusal({
    dependencies: { '@holdfast/nestjs': 'ours' },
    npm: null,
    program: "await import('@holdfast/nestjs');\n",
    says: missing('@nestjs/common'),
  }),
  'fastify-5': suite(FASTIFY_TEST, { '@holdfast/fastify': 'ours', '@holdfast/core': 'ours', fastify: '^5' }),
  'fastify-4': refusal({
    dependencies: { '@holdfast/fastify': 'ours', fastify: '^4' },
    npm: peer('fastify'),
    program: FASTIFY_4,
    says: /@holdfast\/fastify - expected '5\.x' fastify version, '4\.[\d.]+' is installed/,
  }),
  'node-cron-4.6': recipe(null, { 'node-cron': '~4.6.0' }, 'docs/node-cron.md'),
  'node-cron-3': refusal({
    dependencies: { holdfast: 'ours', 'node-cron': '^3' },
    npm: peer('node-cron'),
    program: "import { setRunCoordinator } from 'node-cron';\nsetRunCoordinator(null);\n",
    says: /SyntaxError.*setRunCoordinator/,
  }),
  'otel-1.8': refusal({
    dependencies: { holdfast: 'ours', '@opentelemetry/api': '~1.8.0' },
    npm: peer('@opentelemetry/api'),
    program: "import { instrumentLocks } from 'holdfast/otel';\ninstrumentLocks();\n",
    says: /@opentelemetry\/api 1\.9 or later/,
  }),
  'otel-missing': refusal({
    dependencies: { holdfast: 'ours' },
    npm: null,
    program: "await import('holdfast/otel');\n",
    says: missing('@opentelemetry/api'),
  }),
  ...Object.fromEntries(
    [
      ['ioredis', '^4', 'redis://localhost:1'],
      ['redis', '^4', 'redis://localhost:1'],
      ['pg', '^7', 'postgres://localhost:1/shop'],
    ].map(([driver, version, url]) => [
      `${driver}-${version.slice(1)}`,
      refusal({
        dependencies: { holdfast: 'ours', [driver]: version },
        npm: peer(driver),
        program: connecting(url),
        says: new RegExp(`LOCK_BACKEND_UNAVAILABLE .*the driver ${driver} is of a version that Holdfast does not know`),
      }),
    ]),
  ),
  'drivers-missing': refusal({
    dependencies: { holdfast: 'ours' },
    npm: null,
    program: connecting('redis://localhost:1', 'postgres://localhost:1/shop', 'zookeeper://localhost:1'),
    says: /npm install ioredis\n.*npm install pg\n.*npm install node-zookeeper-client\n/,
  }),
  croner: recipe('croner', { croner: 'latest' }),
  bullmq: recipe('BullMQ', { bullmq: 'latest' }),
  'express-5': recipe('Express', { express: '^5', '@types/express': '^5' }),
  'express-4': recipe('Express', { express: '^4', '@types/express': '^4' }),
  hono: recipe('Hono', { hono: 'latest' }),
};
