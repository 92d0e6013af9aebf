import { memoryMutants } from './memory/mutants.js';
import type { Mutant } from './mutant.js';

/** What the seeds have to catch, each within the first 10,000 of its store. */
export const mutants: readonly Mutant[] = [...memoryMutants];
