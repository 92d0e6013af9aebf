import { createLockManager, type LockBackend, type LockManager, type ManagerOptions } from '@holdfast/core';
import {
  type ClientModule,
  type ConformanceFaults,
  type ConformanceHarness,
  type FaultName,
  type InjectedFaults,
  injectFaults,
  noWire,
  type SetupOptions,
  type Via,
} from '@holdfast/core/conformance';
import { callOf, newName, requestOf } from './requests.js';

/** What the suite's wire does to any store, and what is injected before its backend. */
const FAULTS: readonly FaultName[] = [
  'disconnect',
  'reconnect',
  'freeze',
  'thaw',
  'loseNextReply',
  'requests',
  'residue',
  'crash',
  'killSession',
  'deliverLate',
  'openBackend',
  'otherProcess',
];

/** One case's part of a store: names, keys or nodes that no other case has. */
export interface CaseStore {
  /** Opens a backend that reaches each server by `via`. The harness closes the backend. */
  open(via: Via): Promise<LockBackend>;
  /** See `ConformanceFaults`. */
  residue(): Promise<readonly string[]>;
  /** How a process of its own becomes one more client. */
  readonly otherProcess: ClientModule;
  /** What is done to this store otherwise than on the wire. @default nothing */
  faults?(injected: InjectedFaults): ConformanceFaults;
  /** See `ConformanceSetup`. */
  settled?(): Promise<void>;
  /** Called when everything else is closed. */
  close?(): unknown;
}

/** What one case has opened. */
export class OpenedCase {
  readonly #backends: LockBackend[] = [];
  readonly #managers: LockManager[] = [];

  /**
   * Lets the backend make contact: cases time waits, not connections and the loading of scripts.
   *
   * @param names one on each server where names lie on several
   */
  async warm(backend: LockBackend, names: readonly string[] = [newName()]): Promise<LockBackend> {
    this.#backends.push(backend);
    const first = names.map((name) => requestOf(name));
    await backend.attempt(first, callOf(5_000));
    await backend.release(first, callOf(5_000));
    return backend;
  }

  manager(backend: LockBackend, options: ManagerOptions = {}): LockManager {
    const manager = createLockManager(backend, options);
    this.#managers.push(manager);
    return manager;
  }

  async close(): Promise<void> {
    await Promise.all(this.#managers.map((manager) => manager.close()));
    await Promise.all(this.#backends.map((backend) => backend.close()));
  }
}

/** The suite over its own wire, so that faults happen there; what has to hit one request exactly is injected before the wire. */
export function harnessOverWire(name: string, servers: 'one' | 'several', begin: () => CaseStore): ConformanceHarness {
  const isOne = servers === 'one';
  return {
    name,
    faults: isOne ? FAULTS : [...FAULTS, 'stopNode', 'startNode'],
    ...(isOne ? { inapplicable: { stopNode: 'it is one server', startNode: 'it is one server' } } : {}),
    async setup(managerOptions) {
      const opened = new OpenedCase();
      const store = begin();
      const open = async ({ via = noWire }: SetupOptions): Promise<LockBackend> => await opened.warm(await store.open(via));
      const connect = async (options: SetupOptions = {}) => {
        const { backend, faults } = injectFaults(await open(options));
        return { manager: opened.manager(backend, options), faults };
      };
      const { manager, faults } = await connect(managerOptions);
      return {
        manager,
        peer: async (options) => (await connect(options)).manager,
        faults: {
          loseNextReply: () => faults.loseNextReply(),
          requests: () => faults.requests(),
          residue: () => store.residue(),
          openBackend: () => open(managerOptions),
          otherProcess: () => store.otherProcess,
          ...store.faults?.(faults),
        },
        ...(store.settled === undefined ? {} : { settled: store.settled }),
        close: async () => {
          await opened.close();
          await store.close?.();
        },
      };
    },
  };
}

/**
 * Runs a harness for a moment before its cases: they time waits of some tens of milliseconds, and a process that has just started takes
 * as long to compile itself.
 */
export async function warmUp(harness: ConformanceHarness): Promise<void> {
  const { manager, peer, close } = await harness.setup({});
  const other = await peer();
  for (let i = 0; i < 50; i++) {
    const name = newName();
    const lease = await manager.acquire(name);
    const waiting = other.acquire(name);
    await lease.extend();
    await lease.release();
    await (await waiting).release();
  }
  await close();
}
