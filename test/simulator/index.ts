export type { SimulatedClient } from './client.js';
export { commonMutants } from './common-mutants.js';
export { simulateFromCommandLine } from './command-line.js';
export type { History } from './history.js';
export { altered, type Mutant, unbroken } from './mutant.js';
export { memoryKind } from './memory/memory-kind.js';
export { kindOfMode, keyOf, type Scenario, scenarioOf, type Target } from './scenario.js';
export { play } from './simulate.js';
export type { SimulatedStore, StoreHold, StoreKind, StoreObserver, StoreSetup } from './store.js';
