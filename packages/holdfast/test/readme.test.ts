import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { managerOptionRules } from '@holdfast/core';
import { startRedis } from '@holdfast/test/servers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mustRun, runCommand } from './run-command.js';

const home = fileURLToPath(new URL('..', import.meta.url));
const URL_IN_TEXT = 'redis://localhost:6379';

// Within the package, so that `holdfast` is found as it is by those who installed it.
let folder: string;
let readme: string;
let blocks: readonly string[];

beforeAll(async () => {
  folder = await mkdtemp(join(home, 'dist-test/readme-'));
  readme = await readFile(join(home, 'README.md'), 'utf8');
  blocks = [...readme.matchAll(/```ts\n(.*?)```/gs)].map((match) => match[1] ?? '');
});
afterAll(() => rm(folder, { recursive: true, force: true }));

describe('the README', () => {
  it('begins with a quick start of about ten lines that runs', async () => {
    const [quickStart = ''] = blocks;
    expect(quickStart).toContain(URL_IN_TEXT);
    expect(quickStart.trim().split('\n').filter(Boolean).length).toBeLessThanOrEqual(10);
    await using server = await startRedis();
    await writeFile(join(folder, 'quick-start.mjs'), `${quickStart.replace(URL_IN_TEXT, server.url)}\nprocess.stdout.write('done');`);
    expect(await mustRun(process.execPath, [join(folder, 'quick-start.mjs')])).toBe('done');
  });

  it('has examples that compile', async () => {
    const files = blocks.map((_, index) => `example-${index + 1}.ts`);
    await Promise.all(files.map((file, index) => writeFile(join(folder, file), blocks[index] ?? '')));
    const compilerOptions = {
      rootDir: undefined,
      composite: false,
      declaration: false,
      declarationMap: false,
      noEmit: true,
      noUnusedLocals: false,
      noUnusedParameters: false,
      lib: ['ES2023', 'ESNext.Disposable', 'DOM'],
    };
    await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ extends: '../../../../tsconfig.base.json', compilerOptions, files }));
    const tsc = createRequire(import.meta.url)
      .resolve('typescript/package.json')
      .replace(/package\.json$/, 'bin/tsc');
    const { code, stdout } = await runCommand(process.execPath, [tsc, '-p', folder]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
  });

  it('names every entry point', async () => {
    const { exports } = JSON.parse(await readFile(join(home, 'package.json'), 'utf8')) as { readonly exports: Record<string, string> };
    const entries = Object.keys(exports).filter((entry) => entry !== './package.json');
    expect(entries.filter((entry) => !readme.includes(`| \`holdfast${entry.slice(1)}\` `))).toEqual([]);
  });

  it('names every option, every scheme and every error code', async () => {
    const { builtInSchemes } = await import('../src/schemes.js');
    const { loadBackendModule } = await import('../src/load-backend-module.js');
    const modules = await Promise.all(
      Object.entries(builtInSchemes).map(([scheme, source]) => loadBackendModule('connect', scheme, source)),
    );
    const ofBackends = modules.flatMap(({ optionRules }) => Object.keys(optionRules ?? {}));
    for (const option of new Set([...Object.keys(managerOptionRules), ...ofBackends, 'require', 'schemes'])) {
      expect(readme).toMatch(new RegExp(`^\\| [^|]*\`${option}\``, 'm'));
    }
    for (const scheme of Object.keys(builtInSchemes)) expect(readme).toContain(scheme);
    const errors = await readFile(new URL('../../core/src/errors.ts', import.meta.url), 'utf8');
    for (const [code] of errors.matchAll(/LOCK_[A-Z_]+(?=:)/g)) expect(readme).toContain(`| \`${code}\``);
  });
});
