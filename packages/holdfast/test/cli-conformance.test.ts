import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { askRedis, type RedisServer, startRedis, until } from '@holdfast/test/servers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli, startCli, temporaryFolder } from './cli-process.js';

let server: RedisServer;

beforeAll(async () => {
  server = await startRedis({ config: {} });
});
afterAll(() => server?.close());

/** A harness of somebody's: the memory backend with some of its parts replaced. */
function harnessOf(changes: string): string {
  const from = (module: string): string => new URL(`../dist/${module}.js`, import.meta.url).href;
  return `
    import { createLockManager } from '${from('index')}';
    import { createMemoryBackend } from '${from('memory')}';
    const changes = { ${changes} };
    const open = (options) => {
      const inner = createMemoryBackend();
      const valueOf = (value) => (typeof value === 'function' ? value.bind(inner) : value);
      return createLockManager(new Proxy(inner, { get: (target, key) => changes[key] ?? valueOf(target[key]) }), options);
    };
    export const harness = {
      name: 'theirs',
      setup(options) {
        const manager = open(options);
        return { manager, peer: open, close: () => manager.close() };
      },
    };`;
}

/** What `--json` prints. */
interface Report {
  readonly ok: boolean;
  readonly backend: string;
  readonly url: string;
  readonly passed: number;
  readonly failed: number;
  readonly versions: Readonly<Record<string, string>>;
  readonly cases: readonly { readonly topic: string; readonly id: string; readonly ok: boolean; readonly error?: string }[];
}

// Processes that run many cases: on a busy machine they take their time.
describe('holdfast conformance', { timeout: 120_000 }, () => {
  it('asks before it does anything, and without a terminal wants --yes', async () => {
    const { code, stdout, stderr } = await runCli(['conformance'], { url: server.url });
    expect({ code, stdout }).toEqual({ code: 64, stdout: '' });
    expect(stderr).toMatch(/^holdfast: \d{3} cases .* Their names are random, nothing is flushed, .* Say --yes to run them\.\n$/);
  });

  it('passes on a real server, as a table, and leaves what is there alone', async () => {
    await askRedis(server.port, 'SET theirs untouched');
    const { code, stdout, stderr } = await runCli(['conformance', '--yes', '--only', 'outcomes', 'names', 'kinds'], {
      url: server.url,
    });
    expect(stderr).toBe('');
    expect(stdout).toMatch(
      /^TOPIC +PASSED +FAILED +TIME\noutcomes +\d+ +- +\S+\nnames +\d+ +- +\S+\nkinds .*\n\nwith node [\d.]+, ioredis [\d.]+, \S+ Redis [\d.]+\n\n\d+ passed, 0 failed in \S+\n$/,
    );
    expect(code).toBe(0);
    expect(await askRedis(server.port, 'GET theirs')).toContain('untouched');
  });

  it('runs the cases of the wire between its clients and the server, and says which versions it met', async () => {
    const { code, stdout } = await runCli(['conformance', '--yes', '--json', '--only', 'wire'], { url: server.url });
    const { passed, failed, versions, cases } = JSON.parse(stdout) as Report;
    expect({ code, failed, passed }).toEqual({ code: 0, failed: 0, passed: cases.length });
    expect(cases.length).toBeGreaterThanOrEqual(6);
    expect(versions).toEqual({
      node: process.versions.node,
      ioredis: expect.stringMatching(/^\d+\.\d+/) as string,
      [`127.0.0.1:${server.port}`]: expect.stringMatching(/^(Redis|Valkey) \d/) as string,
    });
  });

  it('prints JSON, of a topic or of one case', async () => {
    const { code, stdout } = await runCli(['conformance', '--yes', '--json', '--only', 'arguments', 'exclusive/lock/excludes'], {
      url: server.url,
    });
    const report = JSON.parse(stdout) as Report;
    expect(report).toMatchObject({ ok: true, backend: 'redis', url: server.url, failed: 0 });
    expect(report.cases).toHaveLength(report.passed);
    expect(report.cases.filter(({ topic }) => topic !== 'arguments').map(({ id }) => id)).toEqual(['exclusive/lock/excludes']);
    expect(code).toBe(0);
  });

  // The next four have a folder and processes of their own, and wait.
  it.concurrent('ends with 1 and shows what a broken backend does wrong', async () => {
    using folder = temporaryFolder();
    // Lets in the one who asks.
    const broken = `
      import { createMemoryBackend } from '${new URL('../dist/memory.js', import.meta.url).href}';
      export function openBackend() {
        const inner = createMemoryBackend();
        const attempt = async (requests, call) =>
          (await inner.attempt(requests, call)).map((answer) => (answer.granted ? answer : { granted: true, fencingToken: 1n }));
        const valueOf = (value) => (typeof value === 'function' ? value.bind(inner) : value);
        return new Proxy(inner, { get: (target, key) => (key === 'attempt' ? attempt : valueOf(target[key])) });
      }`;
    await writeFile(join(folder.path, 'broken.mjs'), broken);
    await writeFile(join(folder.path, 'holdfast.config.json'), '{ "url": "broken://x", "schemes": { "broken": "./broken.mjs" } }');
    const { code, stdout } = await runCli(['conformance', '--yes', '--only', 'outcomes'], { cwd: folder.path });
    expect(stdout).toMatch(/\nFAILED outcomes\/five: [^\n]+\n {2}\S/);
    expect(stdout).toMatch(/\n\d+ passed, [1-9]\d* failed in \S+\n$/);
    expect(code).toBe(1);
  });

  it.concurrent('says of a failure which rule it breaks, why that matters, and where to look; in files too', async () => {
    using folder = temporaryFolder();
    await writeFile(join(folder.path, 'harness.mjs'), harnessOf('release: async (holds) => holds.map(() => false)'));
    const args = ['--junit', 'report.xml', '--html', 'report.html'];
    const { code, stdout } = await runCli(
      ['conformance', '--yes', '--harness', 'harness.mjs', '--only', 'exclusive/lock/is-taken-and-freed', ...args],
      {
        cwd: folder.path,
      },
    );
    expect(code).toBe(1);
    for (const text of [
      stdout,
      ...(await Promise.all(['report.xml', 'report.html'].map((file) => readFile(join(folder.path, file), 'utf8')))),
    ]) {
      for (const part of ['exclusive/lock/is-taken-and-freed', 'LockBackend.release', 'verrou', 'owner 1']) expect(text).toContain(part);
    }
  });

  it.concurrent('reports also when the backend ends the process, and goes on behind it', async () => {
    using folder = temporaryFolder();
    await writeFile(join(folder.path, 'harness.mjs'), harnessOf('inspect: async () => process.exit(0)'));
    const { code, stdout } = await runCli(
      ['conformance', '--yes', '--json', '--harness', 'harness.mjs', '--only', 'inspection/lock', 'leases/fresh'],
      {
        cwd: folder.path,
      },
    );
    const report = JSON.parse(stdout) as Report;
    expect({ code, passed: report.passed, failed: report.failed }).toEqual({ code: 1, passed: 1, failed: 1 });
    expect(report.cases.find(({ ok }) => !ok)).toMatchObject({
      id: 'inspection/lock',
      error: expect.stringContaining('exit code 0') as string,
    });
  });

  it.concurrent('knows expected failures: one that passes is an error, and one that there is not', async () => {
    using folder = temporaryFolder();
    const run = async (expected: string) => {
      await writeFile(join(folder.path, 'expected.txt'), expected);
      return await runCli(['conformance', '--yes', '--only', 'leases/fresh', '--expect', 'expected.txt'], {
        url: server.url,
        cwd: folder.path,
      });
    };
    expect(await run('leases/fresh # for no reason\n')).toMatchObject({
      code: 1,
      stdout: expect.stringContaining('expected to fail') as string,
    });
    expect(await run('# nothing\n')).toMatchObject({ code: 0 });
    expect(await run('leases/rotten\n')).toMatchObject({ code: 64 });
  });

  it('reports what it has when it is interrupted', async () => {
    await using cli = startCli(['conformance', '--yes', '--json', '--only', 'leases', 'crash'], { url: server.url });
    // The first contact has one or two connections, a case has more.
    const clients = async (): Promise<number> => (await askRedis(server.port, 'CLIENT LIST')).split('cmd=').length;
    await until('cases run', async () => (await clients()) > 6, { timeoutMs: 20_000 });
    cli.kill('SIGINT');
    const { code, stdout } = await cli.ended;
    expect(code).toBe(130);
    expect(JSON.parse(stdout)).toMatchObject({ ok: false, ended: expect.stringContaining('SIGINT') as string });
  });

  it.each([
    ['a report that cannot be written', ['--junit', '/nowhere/report.xml'], 74],
    ['a list that cannot be read', ['--expect', '/nowhere/list.txt'], 64],
    ['a seed that is no number', ['--seed', 'luck'], 64],
    ['no repetition', ['--repeat', '0'], 64],
    ['a budget without a unit', ['--budget', '5'], 64],
    ['a harness that there is not', ['--harness', '/nowhere/harness.mjs'], 64],
  ])('refuses %s before it runs anything', async (_, args, code) => {
    const result = await runCli(['conformance', '--yes', '--only', 'leases/fresh', ...args], { url: server.url });
    expect(result).toMatchObject({ code, stdout: '' });
  });

  it('knows no topic that there is not', async () => {
    const { code, stderr } = await runCli(['conformance', '--yes', '--only', 'names', 'luck'], { url: server.url });
    expect(code).toBe(64);
    expect(stderr).toMatch(/the topics are outcomes, exclusive, /);
  });

  it('is not a failure of all cases when the server is not there', async () => {
    const { code, stderr } = await runCli(['conformance', '--yes'], { url: 'redis://127.0.0.1:1' });
    expect(code).toBe(69);
    expect(stderr).toMatch(/^holdfast: [^\n]+\n$/);
  });
});
