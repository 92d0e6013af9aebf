import type { LockBackend } from '@holdfast/core';
import type { World } from '@holdfast/test/simulation';
import type { SimulatedClient } from './client.js';
import type { History } from './history.js';
import type { Mutant } from './mutant.js';
import type { Scenario, StoreTraits, Target } from './scenario.js';

/** One hold as the store has it. */
export interface StoreHold {
  /** The label of its request, which names its call. */
  readonly label: string;
  readonly mode: Target['mode'];
  readonly permits: number;
  /** null for permits. */
  readonly token: bigint | null;
  /** For how much longer the store keeps it, in milliseconds of the world. */
  readonly forMs: number;
}

/** Hears what a store does. */
export interface StoreObserver {
  /** A release has freed what this owner held. */
  freed(owner: string): void;
  /** The release of this owner arrives a second time. */
  repeated(owner: string): void;
}

/** A store with nothing real about it but its rules. */
export interface SimulatedStore {
  /** Counts what it has carried out: as long as it is the same, nothing has changed but the time. */
  readonly version: number;
  /** Whose releases it has carried out last; nobody's when it has done anything else since. */
  readonly lastReleased: readonly string[];
  /** A new connection of a client. */
  connect(client: SimulatedClient): LockBackend<bigint>;
  holds(target: Pick<Target, 'kind' | 'name'>): readonly StoreHold[];
  /** What an operator does; the labels of those who held it. */
  forceRelease(target: Target): readonly string[];
  /** All holds and waiters that stand, a line each: the label first where it is known. */
  left(): readonly string[];
  /** Faults stop. */
  quiet(): void;
}

/** What a simulation is asked to begin with a store. */
export interface StoreSetup<M extends Mutant = Mutant> {
  readonly world: World;
  readonly scenario: Scenario;
  readonly mutant: M;
  readonly history: History;
  readonly observer: StoreObserver;
}

/** A kind of store that is simulated. */
export interface StoreKind<M extends Mutant = Mutant> {
  readonly name: string;
  readonly traits: StoreTraits;
  /** What the seeds have to catch, each within the first 10,000. */
  readonly mutants: readonly M[];
  open(setup: StoreSetup<M>): SimulatedStore;
}
