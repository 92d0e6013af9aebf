import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type RedisServer, reservePort, startRedis } from '@holdfast/test/servers';
import { connect } from 'holdfast';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type CliOptions, patient, runCli, temporaryFolder } from './cli-process.js';

let server: RedisServer;

beforeAll(async () => {
  server = await startRedis({ config: {} });
});
afterAll(() => server?.close());

/** Which store it was, as `health --json` says, or the line about why it was none. */
async function storeOf(options: CliOptions, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await runCli(['health', '--json', ...args], options);
  if (code === 64) return (JSON.parse(stderr) as { error: { message: string } }).error.message;
  return (JSON.parse(stdout) as { url: string }).url;
}

describe('the store of the command line', () => {
  it('is --url before HOLDFAST_URL before the configuration file', async () => {
    using folder = temporaryFolder();
    await writeFile(join(folder.path, 'holdfast.config.json'), '{ "url": "memory:file" }');
    const cwd = folder.path;
    expect(await storeOf({ cwd, url: 'memory:variable' }, '--url', 'memory:option')).toBe('memory:option');
    expect(await storeOf({ cwd, url: 'memory:variable' })).toBe('memory:variable');
    expect(await storeOf({ cwd })).toBe('memory:file');
    expect(await storeOf({ cwd, url: '' })).toBe('memory:file');
    expect(await storeOf({ cwd }, '--no-config')).toMatch(
      /^no store is named: use --url, the environment variable HOLDFAST_URL or HOLDFAST_URL_FILE, or/,
    );
  });

  it.each([
    ['holdfast.config.json', '\uFEFF{ "url": "memory:json" }', 'memory:json'],
    ['holdfast.config.mjs', `export default { url: await Promise.resolve('memory:mjs') };`, 'memory:mjs'],
    ['holdfast.config.js', `module.exports = { url: 'memory:js' };`, 'memory:js'],
  ])('is found upward in %s', async (file, text, url) => {
    using folder = temporaryFolder();
    const cwd = join(folder.path, 'a/b');
    await mkdir(cwd, { recursive: true });
    await writeFile(join(folder.path, file), text);
    expect(await storeOf({ cwd })).toBe(url);
    expect(await storeOf({}, '--config', join(folder.path, file))).toBe(url);
  });

  it('has the options of the file wherever its URL comes from', async () => {
    using folder = temporaryFolder();
    await writeFile(join(folder.path, 'holdfast.config.json'), '{ "prefix": "shop:", "url": "redis://nowhere.invalid" }');
    await using locks = await connect(patient(server.url), { prefix: 'shop:' });
    await using _ = await locks.acquire('invoice');
    const command = ['run', 'invoice', '--', 'true'];
    expect((await runCli(command, { cwd: folder.path, url: server.url })).code).toBe(75);
    expect((await runCli(command, { url: server.url })).code).toBe(0);
  });

  it.each([
    ['broken', 'holdfast.config.json', '{ "url": "redis://:SECRET@h", }', /holdfast\.config\.json: this is not valid JSON$/],
    ['no object', 'holdfast.config.json', '["redis://:SECRET@h"]', /must be an object/],
    ['without a URL', 'holdfast.config.json', '{}', /no store is named \(\S+holdfast\.config\.json has no "url"\)/],
    ['with a URL that is none', 'holdfast.config.json', '{ "url": 7 }', /url must be a string/],
    [
      'with an unknown option',
      'holdfast.config.json',
      '{ "url": "redis://:SECRET@h", "prefixes": "a" }',
      /holdfast\.config\.json: .*did you mean prefix\?/,
    ],
    [
      'with a wrong option',
      'holdfast.config.json',
      '{ "url": "redis://:SECRET@h", "ttlMs": "5s" }',
      /holdfast\.config\.json: ttlMs is "5s"/,
    ],
    ['that throws', 'holdfast.config.mjs', `throw new Error('no\\nluck')`, /holdfast\.config\.mjs: no luck$/],
    ['without a default export', 'holdfast.config.mjs', `export const url = 'memory:'`, /must be an object/],
  ])('is refused with 64 from a file that is %s, in one line', async (_, file, text, message) => {
    using folder = temporaryFolder();
    await writeFile(join(folder.path, file), text);
    const { code, stdout, stderr } = await runCli(['ls'], { cwd: folder.path });
    expect({ code, stdout }).toEqual({ code: 64, stdout: '' });
    expect(stderr).toMatch(/^holdfast: [^\n]+\n$/);
    expect(stderr.trimEnd()).toMatch(message);
    expect(stderr).not.toContain('SECRET');
  });

  it('is not taken from a file that is not there', async () => {
    expect(await storeOf({}, '--config', '/nowhere/holdfast.config.json')).toBe('/nowhere/holdfast.config.json: there is no such file');
    expect(await storeOf({}, '--config', '/dev/null')).toBe('/dev/null: this is not a regular file');
  });

  it.each(['localhost:6379', 'http://:SECRET@h', 'redis://h?colour=red', 'postgre://:SECRET@h/db'])(
    'is refused with 64 when its URL is %s',
    async (url) => {
      const { code, stderr } = await runCli(['health'], { url });
      expect(code).toBe(64);
      expect(stderr).toMatch(/^holdfast: [^\n]+\n$/);
      expect(stderr).not.toContain('SECRET');
    },
  );

  it('is reported by health: how fast, or why not', async () => {
    const healthy = await runCli(['health', '--json'], { url: server.url });
    expect(healthy.code).toBe(0);
    expect(JSON.parse(healthy.stdout)).toMatchObject({
      ok: true,
      backend: 'redis',
      url: server.url,
      latencyMs: expect.any(Number) as number,
      capabilities: { fencing: true, expiry: 'ttl' },
    });
    expect((await runCli(['health'], { url: server.url })).stdout).toMatch(
      /^ok {2}redis at redis:\/\/127\.0\.0\.1:\d+ took and freed a lock in [\d.]+ ms\n/,
    );

    const reserved = await reservePort();
    const url = `redis://:SECRET@127.0.0.1:${reserved.port}`;
    const dead = await runCli(['health', '--json'], { url });
    expect(dead.code).toBe(69);
    expect(JSON.parse(dead.stdout)).toEqual({
      ok: false,
      backend: 'redis',
      url: `redis://***@127.0.0.1:${reserved.port}`,
      error: { code: 'LOCK_BACKEND_UNAVAILABLE', message: expect.stringContaining('ECONNREFUSED') as string, retryable: true },
    });
    expect(dead.stderr).toBe('');
    const told = await runCli(['health'], { url });
    reserved.release();
    expect(told).toMatchObject({ code: 69, stdout: '' });
    expect(told.stderr).toMatch(/^holdfast: redis:\/\/\*\*\*@[^\n]+\n$/);
  });
});
