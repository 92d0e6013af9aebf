import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { importModule, ModuleMissingError } from '../src/import-module.js';
import { mustRun } from './run-command.js';

// An application with packages that nobody but itself depends on, as in pnpm's layout.
let app: string;

beforeAll(async () => {
  app = await mkdtemp(join(tmpdir(), 'holdfast-import-'));
  const files: Record<string, string> = {
    'package.json': '{}',
    'own.mjs': 'export const from = "own";',
    'broken.mjs': 'throw new Error("it broke while loading");',
    'lacking.mjs': 'import "a-package-that-is-not-there";',
    'node_modules/plain/package.json': '{"main":"index.js"}',
    'node_modules/plain/index.js': 'exports.from = "plain";',
    'node_modules/import-only/package.json': JSON.stringify({
      type: 'module',
      exports: { '.': { types: './index.d.ts', import: './index.js' }, './sub': { import: { node: './sub.js' } } },
    }),
    'node_modules/import-only/index.js': 'export const from = "import-only";',
    'node_modules/import-only/sub.js': 'export const from = "import-only/sub";',
    'node_modules/@acme/locks/package.json': '{"type":"module","exports":"./index.js"}',
    'node_modules/@acme/locks/index.js': 'export const from = "@acme/locks";',
    'nested/deep/here.txt': '',
  };
  for (const [file, text] of Object.entries(files)) {
    await mkdir(dirname(join(app, file)), { recursive: true });
    await writeFile(join(app, file), text);
  }
});
afterAll(() => rm(app, { recursive: true, force: true }));

describe('a module that the configuration names', () => {
  it.each(['plain', 'import-only', 'import-only/sub', '@acme/locks'])('is found in the application: %s', async (name) => {
    expect(await importModule(name, app)).toMatchObject({ from: name });
    expect(await importModule(name, join(app, 'nested/deep'))).toMatchObject({ from: name });
  });

  it('is looked for from the main module of the application, and not from where it was started', async () => {
    const main = join(app, 'main.mjs');
    const module = new URL('../dist/import-module.js', import.meta.url).href;
    await writeFile(main, `import { importModule } from ${JSON.stringify(module)}; console.log((await importModule('plain')).from);`);
    await symlink(main, join(app, 'nested/linked.mjs'));
    const elsewhere = join(app, 'elsewhere');
    await mkdir(join(elsewhere, 'node_modules/plain'), { recursive: true });
    await writeFile(join(elsewhere, 'node_modules/plain/index.js'), 'exports.from = "a stranger";');
    for (const started of [main, join(app, 'nested/linked.mjs')]) {
      // oxlint-disable-next-line no-await-in-loop
      expect(await mustRun(process.execPath, [started], { cwd: elsewhere })).toBe('plain\n');
    }
  });

  it('may be a path or a file: URL', async () => {
    expect(await importModule('./own.mjs', app)).toMatchObject({ from: 'own' });
    expect(await importModule('../../own.mjs', join(app, 'nested/deep'))).toMatchObject({ from: 'own' });
    expect(await importModule(join(app, 'own.mjs'), tmpdir())).toMatchObject({ from: 'own' });
    expect(await importModule(pathToFileURL(join(app, 'own.mjs')).href, tmpdir())).toMatchObject({ from: 'own' });
  });

  it('is found beside this package when the application has none', async () => {
    expect(await importModule('@holdfast/core', tmpdir())).toHaveProperty('isLockError');
  });

  it.each(['not-there', '@acme/not-there', './not-there.js', 'import-only/not-there'])('is missing: %s', async (name) => {
    await expect(importModule(name, app)).rejects.toBeInstanceOf(ModuleMissingError);
  });

  it('is not called missing when it is there and fails', async () => {
    await expect(importModule('./broken.mjs', app)).rejects.toThrow('it broke while loading');
    await expect(importModule('./lacking.mjs', app)).rejects.toMatchObject({ code: 'ERR_MODULE_NOT_FOUND' });
    await expect(importModule('./lacking.mjs', app)).rejects.not.toBeInstanceOf(ModuleMissingError);
  });
});
