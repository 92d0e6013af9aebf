// The first page of the reference: every entry point, by what name it is imported, and what it is for.
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { pathOfEntry } from './entry-points.mjs';

const PACKAGES = fileURLToPath(new URL('../../packages/', import.meta.url));
const FOLDERS = readdirSync(PACKAGES);
const manifestOf = (folder) => JSON.parse(readFileSync(`${PACKAGES}${folder}/package.json`, 'utf8'));
const MANIFESTS = FOLDERS.map(manifestOf);
/** First cell, second cell of every row of the packages' READMEs that begins with a name. */
const ROWS = new Map(
  FOLDERS.flatMap((folder) =>
    [...readFileSync(`${PACKAGES}${folder}/README.md`, 'utf8').matchAll(/^\| `([@\w/-]+)` +\| (.*?) *\|$/gm)].map(([, name, what]) => [
      name,
      what,
    ]),
  ),
);
const HANDED_ON = Object.keys(manifestOf('holdfast').exports).map((path) => `holdfast${path.slice(1)}`);

/**
 * By which names an entry point is imported, the one to use first.
 *
 * @param {string} name as its own package has it
 * @returns {readonly string[]}
 */
export function importsOf(name) {
  const whole = name.replace(/^@holdfast\/(core\/?)?/, 'holdfast/').replace(/\/$/, '');
  const ofCore = name === '@holdfast/core' ? 'holdfast' : whole;
  return name !== ofCore && (HANDED_ON.includes(ofCore) || ofCore === 'holdfast') ? [ofCore, name] : [name];
}

/** @param {readonly { readonly name: string, readonly packageName: string }[]} entries */
export function indexPage(entries) {
  const rows = entries.map(({ name, packageName }) => {
    // What `holdfast` has of core is on the page of `holdfast`.
    const [whole, own] = name === '@holdfast/core' ? [name] : importsOf(name);
    const what = ROWS.get(whole) ?? ROWS.get(own) ?? MANIFESTS.find((manifest) => manifest.name === packageName).description;
    const also = own === undefined ? '' : `, \`${own}\``;
    return `| [\`${whole}\`](${pathOfEntry(name)}/index.md)${also} | ${what.replace(/\]\((?:\.\.\/)?/g, '](../')} |`;
  });
  return [
    '# API reference',
    '',
    'Everything that can be imported, made from the docstrings of the sources. Begin with `connect` of [`holdfast`](holdfast/index.md): the `LockManager` that it',
    'resolves to has every lock. Options, errors and guarantees stand with each name.',
    '',
    '| import from | what |',
    '| --- | --- |',
    ...rows,
    '',
  ].join('\n');
}
