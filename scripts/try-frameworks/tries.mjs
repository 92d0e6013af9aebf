// What is tried, by name.
import { tryNext } from './next-app.mjs';
import { tryRecipe } from './recipes.mjs';
import { tryRefusal } from './refusals.mjs';
import { trySuite } from './suites.mjs';

const FRAMEWORKS = 'docs/frameworks.md';
const NEST_TESTS = ['nest', 'everywhere'].map((name) => `packages/nestjs/dist-test/test/${name}.test.js`);
const FASTIFY_TESTS = ['packages/fastify/dist-test/test/holdfast-plugin.test.js'];
const nest = (major, dependencies) => ({
  '@holdfast/nestjs': 'ours',
  '@holdfast/core': 'ours',
  '@nestjs/common': major,
  '@nestjs/core': major,
  '@nestjs/platform-express': major,
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
const BUSY_IN_EXPRESS = whileHeld(
  "await fetch(`http://localhost:${port}/invoices/7/bill`, { method: 'POST', headers: { connection: 'close' } })",
);
const BUSY_IN_HONO = `const { serve } = await import('@hono/node-server');
const server = serve({ fetch: app.fetch, port: 0 });
await new Promise((resolve) => server.once('listening', resolve));
const { port } = server.address() as { port: number };
const url = \`http://localhost:\${port}/invoices/7/bill\`;
const served = await fetch(url, { method: 'POST', headers: { connection: 'close' } });
if (served.status !== 200) throw new Error(\`answered \${served.status}\`);
${whileHeld("await fetch(url, { method: 'POST', headers: { connection: 'close' } })")}
server.close();
`;
const missing = (name) => new RegExp(`ERR_MODULE_NOT_FOUND.*Cannot find package '${name}'`);
const peer = (name) => new RegExp(`ERESOLVE[\\s\\S]*peerOptional ${name}@`);

const recipe =
  (heading, dependencies, { page = FRAMEWORKS, also } = {}) =>
  (place) =>
    tryRecipe({ page, heading, dependencies, also }, place);
const suite = (tests, dependencies, forced) => (place) => trySuite({ tests, dependencies, forced }, place);
const refusal = (what) => (place) => tryRefusal(what, place);
const next =
  (version, { build = [], demands = false } = {}) =>
  (place) =>
    tryNext({ dependencies: { ...REACT, next: version }, build, demands }, place);

export const tries = {
  'next-16': next('^16', { demands: true }),
  'next-16-webpack': next('^16', { build: ['--webpack'] }),
  'next-15': next('^15'),
  'nest-11': suite(NEST_TESTS, nest('^11', { '@nestjs/schedule': '^6', '@nestjs/terminus': '^11' })),
  'nest-newest': suite(NEST_TESTS, nest('latest', { '@nestjs/schedule': 'latest', '@nestjs/terminus': 'latest' }), true),
  // Nest 10 does what the module needs; terminus 10 does not.
  'terminus-10': refusal({
    dependencies: nest('^10', { '@nestjs/terminus': '^10' }),
    // npm 11 finds the conflict, and may fail itself when it wants to describe it.
    npm: /npm error/,
    program: TERMINUS_10,
    says: /LOCK_INVALID_ARGUMENT .*@nestjs\/terminus 10\.[\d.]+ is installed/,
  }),
  'nest-missing': refusal({
    dependencies: { '@holdfast/nestjs': 'ours' },
    npm: null,
    program: "await import('@holdfast/nestjs');\n",
    says: missing('@nestjs/common'),
  }),
  'fastify-5': suite(FASTIFY_TESTS, { '@holdfast/fastify': 'ours', '@holdfast/core': 'ours', fastify: '^5' }),
  'fastify-4': refusal({
    dependencies: { '@holdfast/fastify': 'ours', fastify: '^4' },
    npm: peer('fastify'),
    program: FASTIFY_4,
    says: /@holdfast\/fastify - expected '5\.x' fastify version, '4\.[\d.]+' is installed/,
  }),
  'node-cron-4.6': recipe(null, { 'node-cron': '~4.6.0' }, { page: 'docs/node-cron.md' }),
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
  'express-5': recipe('Express', { express: '^5', '@types/express': '^5' }, { also: BUSY_IN_EXPRESS }),
  'express-4': recipe('Express', { express: '^4', '@types/express': '^4' }, { also: BUSY_IN_EXPRESS }),
  hono: recipe('Hono', { hono: 'latest', '@hono/node-server': 'latest' }, { also: BUSY_IN_HONO }),
};

/** A request while another manager has the lock: the recipe says 409. */
function whileHeld(request) {
  return `const other = await connect('redis://localhost:6379');
const held = await other.acquire('invoice:7');
const busy = ${request};
if (busy.status !== 409) throw new Error(\`answered \${busy.status} while the lock was held\`);
await held.release();
await other.close();`;
}
