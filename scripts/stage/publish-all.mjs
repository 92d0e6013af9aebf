// Publishes every package from the folder that is made for it; those whose version is there already are left out, so it can be run once more.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { stagePackage } from './stage-package.mjs';

const packages = new URL('../../packages/', import.meta.url).pathname;
const folders = readdirSync(packages).filter((folder) => existsSync(join(packages, folder, 'package.json')));
for (const folder of folders) await stagePackage(folder);
for (const folder of folders) {
  const { name, version } = JSON.parse(readFileSync(join(packages, folder, 'package.json'), 'utf8'));
  const cwd = join(packages, folder, 'publish');
  const known = spawnSync('npm', ['view', `${name}@${version}`, 'version'], { cwd, encoding: 'utf8' });
  if (known.stdout.trim() === version) continue;
  const { status } = spawnSync('pnpm', ['publish', '--no-git-checks'], { cwd, stdio: 'inherit' });
  if (status !== 0) throw new Error(`${name} ${version} was not published`);
}
