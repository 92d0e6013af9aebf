import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { runCli, temporaryFolder } from './cli-process.js';
import { runCommand } from './run-command.js';

const fromRoot = (path: string): string => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

describe('holdfast new-backend', () => {
  it('writes a project that compiles, and whose backend passes the suite', async () => {
    using folder = temporaryFolder();
    const { code, stdout } = await runCli(['new-backend', 'my-store'], { cwd: folder.path });
    expect(code).toBe(0);
    expect(stdout).toContain('src/my-store-backend.ts');
    const project = join(folder.path, 'my-store');
    await mkdir(join(project, 'node_modules/@holdfast'), { recursive: true });
    await mkdir(join(project, 'node_modules/@types'));
    for (const [module, path] of [
      ['@holdfast/core', 'packages/core'],
      ['@types/node', 'node_modules/@types/node'],
      ['vitest', 'node_modules/vitest'],
    ] as const) {
      await symlink(fromRoot(path), join(project, 'node_modules', module));
    }
    const compiled = await runCommand(process.execPath, [fromRoot('node_modules/typescript-5.8/bin/tsc')], { cwd: project });
    expect(compiled).toMatchObject({ code: 0, stdout: '' });
    const only = ['--only', 'backend', 'leases', 'outcomes', 'fencing', 'residue'];
    const run = await runCli(
      ['conformance', '--yes', '--json', '--harness', 'dist/test/harness.js', '--expect', 'expected-failures.txt', ...only],
      { cwd: project },
    );
    const report = JSON.parse(run.stdout) as { readonly cases: readonly { readonly ok: boolean; readonly id: string }[] };
    expect(report.cases.filter(({ ok }) => !ok)).toEqual([]);
    expect(run.code).toBe(0);
  }, 120_000);

  it('leaves no word of the templates, and no backend of more than seventy lines', async () => {
    using folder = temporaryFolder();
    await runCli(['new-backend', 'dir', '--name', 'etched'], { cwd: folder.path });
    const files = (await readdir(join(folder.path, 'dir'), { recursive: true, withFileTypes: true })).filter((file) => file.isFile());
    expect(files.map(({ name }) => name)).toEqual(expect.arrayContaining(['.gitignore', 'etched-backend.ts', 'test.yml', 'package.json']));
    for (const { parentPath, name } of files) {
      const text = await readFile(join(parentPath, name), 'utf8');
      expect(text).not.toMatch(/\{\{\w+\}\}/);
      if (name === 'etched-backend.ts') expect(text.split('\n').length).toBeLessThan(70);
    }
  });

  it('refuses what is there already, and what is no name', async () => {
    using folder = temporaryFolder();
    await writeFile(join(folder.path, 'file'), '');
    await mkdir(join(folder.path, 'full/of'), { recursive: true });
    const run = async (...args: readonly string[]) => (await runCli(['new-backend', ...args], { cwd: folder.path })).code;
    expect(await run('full')).toBe(64);
    expect(await run('file')).toBe(64);
    expect(await run('new', '--name', 'My Store')).toBe(64);
    expect(await run('file/below')).not.toBe(0);
    expect(await run()).toBe(64);
  });
});
