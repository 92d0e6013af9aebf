import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import { mustRun } from './run-command.js';

const packages = fileURLToPath(new URL('../..', import.meta.url));

const stage = fileURLToPath(new URL('../../../scripts/stage/stage-package.mjs', import.meta.url));

/** The packages as they would be published, by name. */
export type Tarballs = Readonly<Record<string, string>>;
export type PackageManager = 'npm' | 'pnpm' | 'yarn classic' | 'yarn berry';

const pnpm: readonly string[] = process.env['npm_execpath']?.includes('pnpm')
  ? [process.execPath, process.env['npm_execpath']]
  : ['npx', '--yes', 'pnpm@10'];

const INSTALL: Readonly<Record<PackageManager, readonly string[]>> = {
  npm: ['npm', 'install', '--no-audit', '--no-fund', '--prefer-offline'],
  pnpm: [...pnpm, 'install', '--ignore-workspace', '--prefer-offline'],
  'yarn classic': ['npx', '--yes', 'yarn@1.22.22', 'install', '--no-progress', '--prefer-offline'],
  'yarn berry': ['npx', '--yes', '-p', '@yarnpkg/cli-dist@4.10.3', 'yarn', 'install'],
};

/** Packs `holdfast`, and what it depends on of ours, into `folder`. */
export async function packAll(folder: string): Promise<Tarballs> {
  const pack = async (name: string): Promise<string> => {
    const target = join(folder, name);
    await mustRun(process.execPath, [stage], { cwd: join(packages, name) });
    await mustRun(pnpm[0] ?? '', [...pnpm.slice(1), 'pack', '--pack-destination', target], { cwd: join(packages, name, 'publish') });
    return join(target, (await readdir(target))[0] ?? '');
  };
  const { dependencies } = JSON.parse(await readFile(join(packages, 'holdfast', 'package.json'), 'utf8')) as {
    readonly dependencies: Readonly<Record<string, string>>;
  };
  const names = ['holdfast', ...Object.keys(dependencies).filter((name) => name.startsWith('@holdfast/'))];
  return Object.fromEntries(await Promise.all(names.map(async (name) => [name, await pack(name.replace('@holdfast/', ''))] as const)));
}

/** An empty project of somebody who has just installed us from `tarballs`, and the files that are given. */
export async function createProject(
  folder: string,
  manager: PackageManager,
  tarballs: Tarballs,
  dependencies: Readonly<Record<string, string>>,
  files: Readonly<Record<string, string>>,
): Promise<void> {
  const ours = Object.fromEntries(Object.entries(tarballs).map(([name, file]) => [name, `file:${file}`]));
  // What a registry would answer for our own packages that depend on each other.
  const inner = Object.fromEntries(Object.entries(ours).filter(([name]) => name !== 'holdfast'));
  const manifest = {
    name: 'somebody',
    version: '1.0.0',
    private: true,
    type: 'module',
    dependencies: { ...dependencies, holdfast: ours['holdfast'] },
    overrides: inner,
    pnpm: { overrides: inner },
    resolutions: inner,
  };
  const all = { ...files, 'package.json': JSON.stringify(manifest), 'yarn.lock': '' };
  for (const [file, text] of Object.entries(all)) {
    await mkdir(dirname(join(folder, file)), { recursive: true });
    await writeFile(join(folder, file), text);
  }
  const [command = '', ...args] = INSTALL[manager];
  // A test that runs in CI must not make Yarn refuse to write its first lockfile.
  const env = {
    YARN_ENABLE_IMMUTABLE_INSTALLS: 'false',
    YARN_ENABLE_TELEMETRY: '0',
    npm_config_loglevel: 'error',
    NODE_OPTIONS: undefined,
  };
  await mustRun(command, args, { cwd: folder, env, timeoutMs: 180_000 });
}

/** Runs a file of the project with Node, as the package manager wants it to be run. */
export function nodeIn(
  folder: string,
  manager: PackageManager,
  file: string,
): { readonly command: string; readonly args: readonly string[]; readonly cwd: string } {
  // Plug'n'Play has no node_modules: its loader finds packages in their archives.
  const pnp = manager === 'yarn berry' ? ['--require', './.pnp.cjs', '--loader', './.pnp.loader.mjs', '--no-warnings'] : [];
  return { command: process.execPath, args: [...pnp, file], cwd: folder };
}
