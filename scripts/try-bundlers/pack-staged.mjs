// Packs every package from the folder that is published, with CommonJS beside the ES modules.
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { stagePackage } from '../stage/stage-package.mjs';
import { mustRun, root } from '../try-frameworks/project.mjs';

/** @returns package name -> `file:` of its tarball */
export async function packStaged(folder) {
  mkdirSync(folder, { recursive: true });
  const tarballs = {};
  for (const name of readdirSync(join(root, 'packages'))) {
    const cwd = join(root, 'packages', name, 'publish');
    if (!existsSync(join(root, 'packages', name, 'package.json'))) continue;
    await stagePackage(name);
    const before = new Set(readdirSync(folder));
    mustRun('npx', ['-y', 'pnpm@10', 'pack', '--pack-destination', folder], { cwd });
    const tarball = readdirSync(folder).find((file) => !before.has(file));
    tarballs[JSON.parse(readFileSync(join(cwd, 'package.json'), 'utf8')).name] = `file:${join(folder, tarball)}`;
  }
  return tarballs;
}
