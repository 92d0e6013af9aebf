import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { askRedis, type RedisServer, startRedis } from '@holdfast/test/servers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { runCli, temporaryFolder } from './cli-process.js';

let server: RedisServer;

beforeAll(async () => {
  server = await startRedis({ config: {} });
});
afterAll(() => server?.close());

/** What `--json` prints. */
interface Report {
  readonly ok: boolean;
  readonly backend: string;
  readonly url: string;
  readonly passed: number;
  readonly failed: number;
  readonly cases: readonly { readonly topic: string; readonly id: string; readonly ok: boolean; readonly error?: string }[];
}

describe('holdfast conformance', () => {
  it('asks before it does anything, and without a terminal wants --yes', async () => {
    const { code, stdout, stderr } = await runCli(['conformance'], { url: server.url });
    expect({ code, stdout }).toEqual({ code: 64, stdout: '' });
    expect(stderr).toMatch(/^holdfast: 2\d\d cases .* Their names are random, nothing is flushed, .* Say --yes to run them\.\n$/);
  });

  it('passes on a real server, as a table, and leaves what is there alone', async () => {
    await askRedis(server.port, 'SET theirs untouched');
    const { code, stdout, stderr } = await runCli(['conformance', '--yes', '--only', 'outcomes', 'names', 'kinds'], {
      url: server.url,
    });
    expect(stderr).toBe('');
    expect(stdout).toMatch(
      /^TOPIC +PASSED +FAILED +TIME\noutcomes +\d+ +- +\S+\nnames +\d+ +- +\S+\nkinds .*\n\n\d+ passed, 0 failed in \S+\n$/,
    );
    expect(code).toBe(0);
    expect(await askRedis(server.port, 'GET theirs')).toContain('untouched');
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

  it('ends with 1 and shows what a broken backend does wrong', async () => {
    using folder = temporaryFolder();
    // Lets in whoever asks.
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
