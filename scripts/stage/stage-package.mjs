// Makes the folder of a package that is published, `<package>/publish`: what `tsc -b` has built, the same as CommonJS, a manifest with all
// conditions, and pages whose links lead somewhere on npm too. Run in the package's folder it makes that of this package.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { BRANCH, REPOSITORY } from '../repository.mjs';
import { writeCommonJs } from './commonjs.mjs';
import { absoluteLinks } from './links.mjs';
import { publishedManifest, stubsOf } from './manifest.mjs';

const root = new URL('../..', import.meta.url).pathname;

/** @param folder the package's name below packages/ */
export async function stagePackage(folder) {
  const from = join(root, 'packages', folder);
  const manifest = JSON.parse(readFileSync(join(from, 'package.json'), 'utf8'));
  // Beside the real one, which may be read by somebody at this moment.
  const to = join(from, `publish.${process.pid}`);
  rmSync(to, { recursive: true, force: true });
  mkdirSync(to);
  try {
    const listed = manifest.files.filter((file) => !file.startsWith('!'));
    for (const file of [...listed, 'LICENSE', 'CHANGELOG.md']) {
      if (existsSync(join(from, file))) {
        cpSync(join(from, file), join(to, file), { recursive: true, filter: (path) => !path.endsWith('.tsbuildinfo') });
      } else if (file !== 'CHANGELOG.md') throw new Error(`packages/${folder} has no ${file}: run pnpm build`);
    }
    if (manifest.name === 'holdfast') stageDocs(join(to, 'docs'));
    await writeCommonJs(to, manifest);
    for (const [path, stub] of stubsOf(manifest)) {
      mkdirSync(join(to, path), { recursive: true });
      writeFileSync(join(to, path, 'package.json'), `${JSON.stringify(stub, null, 2)}\n`);
    }
    writeFileSync(join(to, 'package.json'), `${JSON.stringify(publishedManifest(manifest, folder, REPOSITORY, versionOf), null, 2)}\n`);
    const readme = readFileSync(join(from, 'README.md'), 'utf8');
    writeFileSync(join(to, 'README.md'), absoluteLinks(readme, { repository: REPOSITORY, branch: BRANCH, folder: `packages/${folder}` }));
    stageSourcePages(to, folder);
    const published = join(from, 'publish');
    rmSync(published, { recursive: true, force: true });
    renameSync(to, published);
  } finally {
    rmSync(to, { recursive: true, force: true });
  }
}

/** The pages that the README leads to, for who has no network; what only the repository needs stays there. */
function stageDocs(to) {
  const isOfRepository = (path) => /[\\/]claims\.(?:json|md)$|\.test\.yml$/.test(path);
  cpSync(join(root, 'docs'), to, { recursive: true, filter: (path) => !isOfRepository(path) });
  for (const file of readdirSync(to).filter((name) => name.endsWith('.md'))) {
    const page = readFileSync(join(to, file), 'utf8');
    const stays = (path) => existsSync(join(to, path));
    writeFileSync(join(to, file), absoluteLinks(page, { repository: REPOSITORY, branch: BRANCH, folder: 'docs', stays }));
  }
}

/** Pages beside the sources may lead to what is not packed. */
function stageSourcePages(to, folder) {
  const pages = existsSync(join(to, 'src')) ? readdirSync(join(to, 'src'), { recursive: true }).filter((path) => path.endsWith('.md')) : [];
  for (const path of pages.map((page) => join('src', page))) {
    const stays = (link) => existsSync(join(to, dirname(path), link));
    const where = { repository: REPOSITORY, branch: BRANCH, folder: `packages/${folder}/${dirname(path)}`, stays };
    writeFileSync(join(to, path), absoluteLinks(readFileSync(join(to, path), 'utf8'), where));
  }
}

function versionOf(name) {
  return JSON.parse(readFileSync(join(root, 'packages', name.replace('@holdfast/', ''), 'package.json'), 'utf8')).version;
}

if (import.meta.filename === process.argv[1]) await stagePackage(basename(process.cwd()));
