import { emitWarning } from 'node:process';

/**
 * Says what a listing left out, as another program took the keys.
 *
 * @param listing which one, and of which backend
 * @param names of locks, or the keys of marks
 */
export function warnOfForeign(listing: string, names: readonly string[]): void {
  const some = names.slice(0, 3).map((name) => JSON.stringify(name.slice(0, 100)));
  const rest = names.length > some.length ? ` and ${names.length - some.length} more` : '';
  emitWarning(`${listing} left out ${some.join(', ')}${rest}: their keys hold what no lock does`, {
    type: 'HoldfastWarning',
    code: 'HOLDFAST_FOREIGN_KEY',
  });
}
