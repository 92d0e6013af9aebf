import { createElection } from '@holdfast/election';
import { exitCodes } from '../exit-codes.js';
import { resolveStore, type StoreOptions, withManager } from '../open-store.js';
import type { Output } from '../output.js';
import { printable } from '../printable.js';
import { warnOfMemory } from '../warn-of-memory.js';

export interface LeaderOptions extends StoreOptions {
  readonly json?: boolean;
}

/** `holdfast leader`: who leads. Answers the exit code: 1 when nobody does. */
export async function leader(name: string, options: LeaderOptions, output: Output): Promise<number> {
  const config = await resolveStore(options, output);
  warnOfMemory(config, output);
  const found = await withManager(config, (manager) => createElection(manager, name).leader());
  // Not since when: a process that has only just looked does not know.
  if (options.json) output.printJson({ name, leader: found === null ? null : { label: found.label, term: String(found.term) } });
  else if (found === null) output.print(`${printable(name)}: nobody leads`);
  else output.print(`${printable(name)}: ${found.label === null ? 'somebody' : printable(found.label)} leads, in term ${found.term}`);
  return found === null ? exitCodes.no : exitCodes.ok;
}
