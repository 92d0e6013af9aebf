// Publishes every package from the folder that is made for it; those whose version is there already are left out, so it can be run once more.
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { stagePackage } from './stage-package.mjs';

const packages = new URL('../../packages/', import.meta.url).pathname;
const manifests = new Map(
  readdirSync(packages)
    .filter((folder) => existsSync(join(packages, folder, 'package.json')))
    .map((folder) => [folder, JSON.parse(readFileSync(join(packages, folder, 'package.json'), 'utf8'))]),
);
for (const folder of manifests.keys()) await stagePackage(folder);
for (const folder of inOrder(manifests)) {
  const { name, version } = manifests.get(folder);
  const cwd = join(packages, folder, 'publish');
  const known = spawnSync('npm', ['view', `${name}@${version}`, 'version'], { cwd, encoding: 'utf8' });
  if (known.stdout.trim() === version) continue;
  const { status } = spawnSync('pnpm', ['publish', '--no-git-checks'], { cwd, stdio: 'inherit' });
  if (status !== 0) throw new Error(`${name} ${version} was not published`);
}

/** What a package depends on comes before the package: an install meanwhile finds all of it. */
function inOrder(all) {
  const folderOf = new Map([...all].map(([folder, { name }]) => [name, folder]));
  const ordered = new Set();
  const add = (folder) => {
    for (const name of Object.keys(all.get(folder).dependencies ?? {})) if (folderOf.has(name)) add(folderOf.get(name));
    ordered.add(folder);
  };
  for (const folder of all.keys()) add(folder);
  return ordered;
}
