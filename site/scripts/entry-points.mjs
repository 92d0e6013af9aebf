// What can be imported, read from the packages themselves, so that a new entry point cannot be forgotten.
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const PACKAGES = fileURLToPath(new URL('../../packages/', import.meta.url));

/**
 * Every entry point of the packages: its name as it is imported, its source, its declarations.
 * What `holdfast` only hands on (`holdfast/redis` ...) is documented where it comes from.
 *
 * @type {readonly { readonly name: string, readonly source: string, readonly declarations: string, readonly packageName: string }[]}
 */
export const ENTRY_POINTS = readdirSync(PACKAGES)
  .sort((a, b) => Number(b === 'holdfast') - Number(a === 'holdfast') || a.localeCompare(b))
  .flatMap((folder) => {
    const { name, exports } = JSON.parse(readFileSync(`${PACKAGES}${folder}/package.json`, 'utf8'));
    return Object.entries(exports)
      .filter(([path]) => path !== './package.json' && (folder !== 'holdfast' || path === '.'))
      .map(([path, target]) => {
        const built = typeof target === 'string' ? target : (target.default ?? target.import);
        const module = built.replace(/^\.\/dist\/|\.js$/g, '');
        return {
          packageName: name,
          name: name + path.slice(1),
          source: `${PACKAGES}${folder}/src/${module}.ts`,
          declarations: `${PACKAGES}${folder}/dist/${module}.d.ts`,
        };
      });
  });

/** Where the reference of an entry point lies: `@holdfast/core/memory` is `core/memory`. */
export const pathOfEntry = (name) => name.replace(/^@holdfast\//, '');
