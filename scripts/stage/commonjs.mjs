// CommonJS beside the ES modules of a package: a file for each file, so that what its entry points share they share here too.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';
import { entriesOf } from './manifest.mjs';

/** The oldest Node that `engines` allows. */
const TARGET = 'node20.19';

/** A relative import in a declaration: `from './x.js'`, `import('./x.js')`, `import './x.js'`. */
const RELATIVE = /(\bfrom\s+|\bimport\s*\(\s*|\bimport\s+)(['"])(\.{1,2}\/[^'"]+)\.js\2/g;

/** @param folder of a staged package, whose dist/ has the ES modules */
export async function writeCommonJs(folder, manifest) {
  const dist = join(folder, 'dist');
  const wanted = await reachable(
    dist,
    entriesOf(manifest).map(([, path]) => `${path}.js`),
  );
  await build({
    entryPoints: wanted.map((file) => join(dist, file)),
    outbase: dist,
    outdir: dist,
    outExtension: { '.js': '.cjs' },
    // To bundle is to see each import; but each stays where it is.
    bundle: true,
    plugins: [apart],
    format: 'cjs',
    platform: 'node',
    target: TARGET,
    absWorkingDir: dist,
    define: { 'import.meta.url': '__url' },
    logLevel: 'warning',
  });
  for (const file of wanted) await finish(join(dist, file.replace(/js$/, 'cjs')));
  for (const file of declarations(dist)) {
    const text = readFileSync(join(dist, file), 'utf8').replace(/\n\/\/# sourceMappingURL=.*$/m, '');
    writeFileSync(join(dist, file.replace(/\.d\.ts$/, '.d.cts')), text.replace(RELATIVE, '$1$2$3.cjs$2'));
  }
}

/** Everything but the entry points is left outside, and files of ours by their new names. */
const apart = {
  name: 'apart',
  setup(builder) {
    builder.onResolve({ filter: /.*/ }, ({ path, kind }) => {
      if (kind === 'entry-point') return undefined;
      return { path: path.startsWith('.') ? path.replace(/\.js$/, '.cjs') : path, external: true };
    });
  },
};

/** The files that the entry points load, themselves included. */
async function reachable(dist, entries) {
  const { metafile } = await build({
    entryPoints: entries.map((entry) => join(dist, entry)),
    bundle: true,
    write: false,
    metafile: true,
    outdir: dist,
    absWorkingDir: dist,
    format: 'esm',
    platform: 'node',
    packages: 'external',
    splitting: true,
    logLevel: 'warning',
  });
  return Object.keys(metafile.inputs);
}

/** The command line is a program of its own, and nobody's types. */
function declarations(dist) {
  return readdirSync(dist, { recursive: true }).filter((file) => file.endsWith('.d.ts') && !file.startsWith('cli/'));
}

const LITERAL_IMPORT = /\bimport\(("[^"]+")\)/g;

/** What `import()` gives of a module that is loaded by `require`, which Jest, for one, can run. */
const LOAD = `const __load = async (load) => {
  const loaded = load();
  return loaded.__esModule ? loaded : Object.create(loaded, { default: { value: loaded, enumerable: true } });
};`;

const URL_OF_FILE = "const __url = require('node:url').pathToFileURL(__filename).href;";

/** Adds what the file needs in place of what CommonJS lacks. */
async function finish(file) {
  const text = readFileSync(file, 'utf8').replace(LITERAL_IMPORT, '__load(() => require($1))');
  const parts = [text.includes('__load(') && LOAD, text.includes('__url') && URL_OF_FILE].filter(Boolean);
  if (parts.length > 0)
    writeFileSync(
      file,
      text.replace(/^"use strict";/, (first) => [first, ...parts].join('\n')),
    );
}
