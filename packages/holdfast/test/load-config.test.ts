import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join, relative } from 'node:path';
import process, { cwd } from 'node:process';
import { pathToFileURL } from 'node:url';
import { connect, isLockError, loadConfig } from 'holdfast';
import { describe, expect, it } from 'vitest';
import { loadInTime } from '../src/load-in-time.js';
import { runCli, temporaryFolder } from './cli-process.js';

async function write(folder: string, files: Readonly<Record<string, string>>): Promise<void> {
  for (const [file, text] of Object.entries(files)) {
    // oxlint-disable-next-line no-await-in-loop
    await mkdir(dirname(join(folder, file)), { recursive: true });
    // oxlint-disable-next-line no-await-in-loop
    await writeFile(join(folder, file), text);
  }
}

/** A module of a scheme that says where it came from. */
const scheme = (where: string): string =>
  `import { createMemoryBackend } from ${JSON.stringify(import.meta.resolve('holdfast/memory'))};
   export const openBackend = () => Object.defineProperty(createMemoryBackend(), 'name', { value: ${JSON.stringify(where)} });`;

describe('loadConfig', () => {
  it.each([
    ['a.json', '\uFEFF{ "url": "memory:", "ttlMs": 5000 }'],
    ['a.mjs', `export default { url: await Promise.resolve('memory:'), ttlMs: 5000 };`],
    ['promise.mjs', `export default Promise.resolve({ url: 'memory:', ttlMs: 5000 });`],
    ['a.cjs', `module.exports = { url: 'memory:', ttlMs: 5000 };`],
    ['class.mjs', `class Config { get url() { return 'memory:'; } get ttlMs() { return 5000; } }; export default new Config();`],
  ])('reads %s for connect, by a path or a file: URL', async (name, text) => {
    using folder = temporaryFolder();
    await write(folder.path, { [name]: text });
    const file = join(folder.path, name);
    for (const named of [file, relative(cwd(), file), pathToFileURL(file), pathToFileURL(file).href]) {
      // oxlint-disable-next-line no-await-in-loop
      const config = await loadConfig(named);
      expect([config.url, config.ttlMs]).toEqual(['memory:', 5000]);
      // oxlint-disable-next-line no-await-in-loop
      await using locks = await connect(config);
      // oxlint-disable-next-line no-await-in-loop
      expect((await locks.acquire('a')).remainingMs).toBeLessThanOrEqual(5000);
    }
  });

  it('answers an object that may be changed', async () => {
    using folder = temporaryFolder();
    await write(folder.path, { 'a.json': '{ "url": "memory:" }' });
    const config: { url?: string | undefined } = await loadConfig(join(folder.path, 'a.json'));
    config.url = 'memory:other';
    expect({ ...config }).toEqual({ url: 'memory:other' });
  });

  it('looks from the file for modules of schemes, and not from the working directory', async () => {
    using folder = temporaryFolder();
    await write(folder.path, {
      'app/config.json': '{ "url": "acme:", "schemes": { "acme": "acme-locks", "beside": "./beside.mjs", "above": "../above.mjs" } }',
      'app/node_modules/acme-locks/package.json': '{ "type": "module", "exports": "./index.js" }',
      'app/node_modules/acme-locks/index.js': scheme('package'),
      'app/beside.mjs': scheme('beside'),
      'above.mjs': scheme('above'),
      'job/node_modules/acme-locks/package.json': '{ "type": "module", "exports": "./index.js" }',
      'job/node_modules/acme-locks/index.js': `throw new Error('a stranger');`,
      'job/beside.mjs': `throw new Error('a stranger');`,
      'job/config.json': '{ "url": "other:", "schemes": { "other": "other-locks" } }',
    });
    for (const [url, where] of [
      ['acme:', 'package'],
      ['beside:', 'beside'],
      ['above:', 'above'],
    ]) {
      // oxlint-disable-next-line no-await-in-loop
      const run = await runCli(['health', '--json', '--config', '../app/config.json'], { cwd: join(folder.path, 'job'), url });
      expect(JSON.parse(run.stdout)).toMatchObject({ ok: true, backend: where });
    }
    await expect(connect(await loadConfig(join(folder.path, 'job/config.json')))).rejects.toMatchObject({
      code: 'LOCK_BACKEND_UNAVAILABLE',
      retryable: false,
      message: expect.stringContaining('npm install other-locks') as string,
    });
  });

  it('counts the paths of certificates from the file, in the URL too', async () => {
    using folder = temporaryFolder();
    await write(folder.path, {
      'a.json': JSON.stringify({
        url: 'postgres://me:a?b@h/d?sslmode=verify-full&sslrootcert=certs/my%20ca.pem&sslkey=%2Fetc%2Fkey.pem',
        sslcert: './me.pem',
        sslrootcert: 'system',
      }),
    });
    const { url, ...options } = (await loadConfig(join(folder.path, 'a.json'))) as Record<string, unknown>;
    expect(url).toBe(
      `postgres://me:a?b@h/d?sslmode=verify-full&sslrootcert=${encodeURIComponent(join(folder.path, 'certs/my ca.pem'))}&sslkey=%2Fetc%2Fkey.pem`,
    );
    expect(options).toEqual({ sslcert: join(folder.path, 'me.pem'), sslrootcert: 'system' });
  });

  it.each([
    ['is not there', 'none.json', null],
    ['is no JSON', 'a.json', '{ "url": "redis://:SECRET@h", }'],
    ['holds no object', 'a.json', '["redis://:SECRET@h"]'],
    ['has no default export', 'a.mjs', `export const url = 'redis://:SECRET@h';`],
    ['is no JavaScript', 'a.mjs', `export default { url: 'redis://:SECRET@h'`],
    ['throws', 'a.mjs', `new URL('redis//:SECRET@h');`],
    ['has a scheme that is none', 'a.json', '{ "schemes": { "Acme": "SECRET" } }'],
    ['imports data as a scheme', 'a.json', '{ "schemes": { "acme": "data:text/javascript,SECRET" } }'],
  ])('refuses a file that %s, and tells nothing of what is in it', async (_, name, text) => {
    using folder = temporaryFolder();
    if (text !== null) await write(folder.path, { [name]: text });
    const error: unknown = await loadConfig(join(folder.path, name)).catch((reason: unknown) => reason);
    if (!isLockError(error, 'LOCK_INVALID_ARGUMENT')) throw error;
    expect(error.message.startsWith(`${join(folder.path, name)}: `)).toBe(true);
    expect(JSON.stringify([error.message, error.cause, error.stack, error])).not.toContain('SECRET');
  });

  it.each([undefined, 5, '', new URL('https://config.invalid/a.json')])('refuses %s as a file', async (file) => {
    await expect(loadConfig(file as string)).rejects.toMatchObject({ code: 'LOCK_INVALID_ARGUMENT', option: 'file' });
  });
});

describe('connect', () => {
  it('looks for no file, and says so', async () => {
    await expect(connect(undefined, { ttlMs: 5000 })).rejects.toThrow(/connect looks for no file: connect\(await loadConfig\(/);
  });

  it('refuses a configuration that was not awaited', async () => {
    const config = Promise.resolve({ url: 'memory:' });
    await expect(connect(config as object)).rejects.toThrow(/is a promise; await it/);
  });
});

describe('a top-level await that never ends', () => {
  it.each(['await new Promise(() => {}); export default {};', 'export default new Promise(() => {});'])(
    'is reported at once when nothing is left that could end it: %s',
    async (text) => {
      using folder = temporaryFolder();
      await write(folder.path, { 'holdfast.config.mjs': text });
      for (const args of [[], ['--config', join(folder.path, 'holdfast.config.mjs')]]) {
        // oxlint-disable-next-line no-await-in-loop
        const { code, stderr } = await runCli(['ls', ...args], { cwd: folder.path, url: 'memory:' });
        expect(code).toBe(64);
        expect(stderr).toMatch(/^holdfast: \S+holdfast\.config\.mjs: its top-level await never ends[^\n]*\n$/);
      }
    },
  );

  it('is reported in the module of a scheme', async () => {
    using folder = temporaryFolder();
    await write(folder.path, {
      'holdfast.config.json': '{ "url": "acme:", "schemes": { "acme": "./acme.mjs" } }',
      'acme.mjs': 'await new Promise(() => {});',
    });
    const { code, stderr } = await runCli(['ls'], { cwd: folder.path });
    expect(code).toBe(69);
    expect(stderr).toMatch(/^holdfast: .*\.\/acme\.mjs failed to load: its top-level await never ends[^\n]*\n$/);
  });

  it('is reported after a while when something is left', async () => {
    await expect(loadInTime(() => new Promise(() => {}), 20)).rejects.toThrow(/has not ended after 0.02 s/);
    expect(await loadInTime(() => Promise.resolve(1), 10_000)).toBe(1);
    await expect(loadInTime(() => Promise.reject(new Error('no luck')))).rejects.toThrow('no luck');
  });

  it('is waited for by one listener, however many are loaded at a time', async () => {
    const before = process.listenerCount('beforeExit');
    const loads = Array.from({ length: 20 }, () => loadInTime(() => Promise.resolve(process.listenerCount('beforeExit') - before)));
    expect(new Set(await Promise.all(loads))).toEqual(new Set([1]));
    expect(process.listenerCount('beforeExit')).toBe(before);
  });
});
