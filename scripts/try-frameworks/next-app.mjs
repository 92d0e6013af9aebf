// A Next.js application of the recipe's files, built and started on a real Redis, and ended while requests are under way.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { reservePort, until } from '../../test/dist/servers/index.js';
import { connect } from '../../packages/holdfast/dist/index.js';
import { blocksOf, install, mustRun, run, writeProject } from './project.mjs';

const PAGE = 'docs/frameworks.md';
const QUIET = { NEXT_TELEMETRY_DISABLED: '1' };
const REST = {
  // As create-next-app writes it.
  'tsconfig.json': JSON.stringify({
    compilerOptions: { strict: true, module: 'esnext', moduleResolution: 'bundler', jsx: 'preserve', skipLibCheck: true, noEmit: true },
    include: ['**/*.ts', '**/*.tsx'],
  }),
  'app/layout.tsx':
    'export default function Layout({ children }: { children: React.ReactNode }) {\n  return <html><body>{children}</body></html>;\n}\n',
  'app/page.tsx': 'export default function Page() {\n  return <p>shop</p>;\n}\n',
};

/** @param app the `dependencies`, the arguments of its `build`, and whether the bundler `demands` every driver where the package is not left to Node */
export async function tryNext({ dependencies, build, demands }, { folder, ours, redisUrl }) {
  const blocks = [...blocksOf(PAGE, 'Next.js', 'ts'), ...blocksOf(PAGE, 'Next.js', 'typescript')];
  const files = Object.fromEntries(
    blocks.map((block) => [/^\/\/ (.*)$/m.exec(block)[1], block.replace('redis://localhost:6379', redisUrl)]),
  );
  writeProject(folder, ours, { holdfast: 'ours', ioredis: '^5', ...dependencies }, { ...REST, ...files });
  const { status, output } = install(folder);
  if (status !== 0) throw new Error(`npm install ended with ${status}:\n${output}`);
  mustRun('npx', ['--no-install', 'next', 'build', ...build], { cwd: folder, env: QUIET, timeout: 300_000 });
  await serve(folder, redisUrl);
  if (!demands) return;
  writeProject(folder, ours, { holdfast: 'ours', ioredis: '^5', ...dependencies }, { 'next.config.ts': 'export default {};\n' });
  const bundled = run('npx', ['--no-install', 'next', 'build', ...build], { cwd: folder, env: QUIET, timeout: 300_000 });
  if (bundled.status === 0 || !/Module not found/.test(bundled.output)) {
    throw new Error(`without serverExternalPackages the build ended with ${bundled.status}:\n${bundled.output}`);
  }
}

async function serve(folder, redisUrl) {
  const reserved = await reservePort();
  const { port } = reserved;
  const url = `http://127.0.0.1:${port}`;
  const server = spawn(process.execPath, ['node_modules/next/dist/bin/next', 'start', '--port', String(port)], {
    cwd: folder,
    env: { ...process.env, ...QUIET },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let printed = '';
  for (const stream of [server.stdout, server.stderr]) stream.setEncoding('utf8').on('data', (text) => (printed += text));
  const ended = once(server, 'exit');
  const locks = await connect(redisUrl);
  try {
    const bill = async () => (await fetch(`${url}/invoices/7/bill`, { method: 'POST' })).json();
    const isUp = async () => (await fetch(url).catch(() => null))?.ok ?? false;
    await until('the server answers', isUp, { timeoutMs: 60_000 });
    same('a request', await bill(), { billed: 'billed' });
    await until('the work beside the requests holds its lock', async () => (await locks.inspect('mailer')).held);
    const held = await locks.acquire('invoice:7');
    const waiting = bill();
    await until('the request waits', async () => ((await locks.inspect('invoice:7')).waiters ?? 0) > 0);
    server.kill('SIGTERM');
    await until('the mailer has freed its lock', async () => !(await locks.inspect('mailer')).held);
    await held.release();
    same('a request that waited when the server was ended', await waiting, { billed: 'billed' });
    await ended;
    same('held at the end', (await locks.inspect('invoice:7')).held, false);
  } catch (error) {
    throw new Error(`${error.message}\n${printed}`, { cause: error });
  } finally {
    server.kill('SIGKILL');
    await ended;
    await locks.close();
    reserved.release();
  }
}

function same(what, actual, expected) {
  if (JSON.stringify(actual) !== JSON.stringify(expected)) {
    throw new Error(`${what}: ${JSON.stringify(actual)}, and ${JSON.stringify(expected)} was to be expected`);
  }
}
