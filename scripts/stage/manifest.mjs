// The manifest that is published, out of the one that developers work with, whose `exports` name one file each.

const BUILT = /^\.\/dist\/(.+)\.js$/;

/** What `exports` name, by subpath: the file below dist/ without its ending. Files that are no code are left out. */
export function entriesOf({ exports }) {
  return Object.entries(exports).flatMap(([subpath, file]) => {
    const [, path] = BUILT.exec(file) ?? [];
    return path === undefined ? [] : [[subpath, path]];
  });
}

/**
 * One copy wherever that is possible: Node loads ES modules for `require` too (`module-sync`), and so do bundlers (`module`). `require` is for
 * who cannot: Jest, ts-node, older resolvers. The order decides.
 */
function conditionsOf(path) {
  const esm = { types: `./dist/${path}.d.ts`, default: `./dist/${path}.js` };
  return { import: esm, 'module-sync': esm, module: esm, require: { types: `./dist/${path}.d.cts`, default: `./dist/${path}.cjs` } };
}

/** @param versionOf the version of another package of ours */
export function publishedManifest(manifest, folder, repository, versionOf) {
  const { devDependencies: _, scripts: __, files: ___, exports, publishConfig, dependencies, ...rest } = manifest;
  const entries = new Map(entriesOf(manifest));
  const main = entries.get('.');
  return {
    ...rest,
    ...sourceOf(folder, repository),
    main: `./dist/${main}.cjs`,
    module: `./dist/${main}.js`,
    types: `./dist/${main}.d.cts`,
    exports: Object.fromEntries(
      Object.entries(exports).map(([subpath, file]) => [subpath, entries.has(subpath) ? conditionsOf(entries.get(subpath)) : file]),
    ),
    ...(dependencies && { dependencies: withVersions(dependencies, versionOf) }),
    publishConfig,
  };
}

/** For resolvers that know no `exports`: a folder for each subpath, with a manifest that leads to the files. */
export function stubsOf(manifest) {
  return entriesOf(manifest).flatMap(([subpath, path]) => {
    if (subpath === '.') return [];
    const below = subpath.slice(2);
    const up = '../'.repeat(below.split('/').length);
    const stub = { main: `${up}dist/${path}.cjs`, module: `${up}dist/${path}.js`, types: `${up}dist/${path}.d.cts`, sideEffects: false };
    return [[below, stub]];
  });
}

function sourceOf(folder, repository) {
  if (repository === null) return {};
  return {
    repository: { type: 'git', url: `git+${repository}.git`, directory: `packages/${folder}` },
    homepage: `${repository}#readme`,
    bugs: `${repository}/issues`,
  };
}

function withVersions(dependencies, versionOf) {
  return Object.fromEntries(
    Object.entries(dependencies).map(([name, range]) => {
      const [, sign] = /^workspace:([\^~]?)(?:\*)?$/.exec(range) ?? [];
      return [name, sign === undefined ? range : `${sign}${versionOf(name)}`];
    }),
  );
}
