import { exclusionMutants } from './exclusion-mutants.js';
import { handingMutants } from './handing-mutants.js';
import { lateMutants } from './late-mutants.js';
import { managerMutants } from './manager-mutants.js';
import { markMutants } from './mark-mutants.js';
import type { Mutant } from './mutant.js';
import { nameMutants } from './name-mutants.js';
import { ownershipMutants } from './ownership-mutants.js';
import { ruleMutants } from './rule-mutants.js';
import { storeMutants } from './store-mutants.js';
import { waitingMutants } from './waiting-mutants.js';

/** Every way in which the memory backend, or a manager on it, is broken on purpose. */
export const mutants: readonly Mutant[] = [
  ...ownershipMutants,
  ...exclusionMutants,
  ...nameMutants,
  ...storeMutants,
  ...markMutants,
  ...waitingMutants,
  ...handingMutants,
  ...lateMutants,
  ...ruleMutants,
  ...managerMutants,
];
