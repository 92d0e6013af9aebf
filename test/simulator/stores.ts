import type { World } from '@holdfast/test/simulation';
import type { History } from './history.js';
import { MemoryServer } from './memory/memory-server.js';
import type { Mutant, StoreName } from './mutant.js';
import type { Scenario, StoreTraits } from './scenario.js';
import type { SimulatedStore, StoreObserver } from './store.js';

/** What a simulation is told to begin with a store. */
export interface StoreSetup {
  readonly world: World;
  readonly scenario: Scenario;
  readonly mutant: Mutant;
  readonly history: History;
  readonly observer: StoreObserver;
}

interface StoreKind {
  readonly traits: StoreTraits;
  readonly open: (setup: StoreSetup) => SimulatedStore;
}

/** Every store that is simulated, and what it bears. */
export const stores: Readonly<Record<StoreName, StoreKind>> = {
  memory: {
    traits: { expires: 'either', fair: 'either', duplicates: true, serverJumps: [-900, -200, 300, 5_000] },
    open: (setup) => new MemoryServer(setup),
  },
};
