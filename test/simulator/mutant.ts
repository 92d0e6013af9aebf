import type { Clock, LockBackend, LockManager } from '@holdfast/core';
import type { ExpiryRules } from './memory/request-expiry.js';
import type { SimulatedClient } from './client.js';

/** The stores that are simulated. */
export type StoreName = 'memory';

/** The invariants, as docs/simulator.md names them. */
export type Rule = 'I1' | 'I2' | 'I3' | 'I4' | 'I5' | 'I6' | 'I7' | 'I8' | 'I9' | 'I10';

/** What is wrong with a product that the simulator and its seeds have to catch. */
export interface Mutant {
  readonly id: string;
  /** The rule that it breaks, as a sentence that is true of the product. */
  readonly breaks: string;
  readonly store: StoreName;
  /** The store itself. */
  readonly server?: (backend: LockBackend<bigint>) => LockBackend<bigint>;
  /** What stands between a manager and its backend. */
  readonly backend?: (backend: LockBackend<bigint>, client: SimulatedClient) => LockBackend<bigint>;
  /** What stands between a manager and its users. */
  readonly manager?: (manager: LockManager<bigint>, client: SimulatedClient) => LockManager<bigint>;
  /** The clock that the manager is given. */
  readonly clock?: (client: SimulatedClient) => Clock;
  readonly expiry?: ExpiryRules;
}

/** The product as it is. */
export function unbroken(store: StoreName): Mutant {
  return { id: 'none', breaks: 'nothing', store };
}
