import type { StoreKind } from '../store.js';
import { MemoryStore } from './memory-store.js';
import { type MemoryMutant, memoryMutants } from './mutants.js';

/** The real memory backend, behind a network. */
export const memoryKind: StoreKind<MemoryMutant> = {
  name: 'memory',
  traits: { expires: 'either', fair: 'either', duplicates: true, serverJumps: [-900, -900, -900, 300, 5_000] },
  mutants: memoryMutants,
  open: (setup) => new MemoryStore(setup),
};
