import { readFile } from 'node:fs/promises';
import { readFigures } from '../compare/read-figures.js';
import type { Results } from '../results.js';

/**
 * Reads a whole run.
 *
 * @throws Error that names the file, and what is wrong with it
 */
export async function readResults(file: string): Promise<Results> {
  await readFigures(file);
  const results = JSON.parse(await readFile(file, 'utf8')) as Results;
  for (const name of ['machine', 'stores', 'scenarios', 'targets'] as const) {
    if (results[name] === undefined) throw new Error(`${file} has no ${name}: it must be what --results wrote`);
  }
  return results;
}
