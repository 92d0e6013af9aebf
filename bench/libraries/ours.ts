import type { LockManager } from '@holdfast/core';
import type { BenchClient, Library } from '../library.js';
import type { Backend } from '../store.js';

const plainScenarios = ['uncontended', 'in-flight-64', 'local-contention', 'handover-8-processes', 'permits-in-use'] as const;

/** Ours on one of the stores, with its defaults and a connection that it makes itself. */
export function ours(
  backend: Backend,
  { id = 'holdfast', title = 'holdfast', fair = false }: { readonly id?: string; readonly title?: string; readonly fair?: boolean },
  create: (address: string, ttlMs: number | undefined) => LockManager,
): Library {
  return {
    id,
    title,
    backend,
    role: 'ours',
    fair,
    scenarios: plainScenarios,
    open: async (address, { ttlMs } = {}) => clientOf(create(address, ttlMs)),
  };
}

function clientOf(locks: LockManager): BenchClient {
  return {
    acquire: (name) => locks.acquire(name),
    acquirePermit: (name, permits) => locks.semaphore(name, { permits }).acquire(),
    close: () => locks.close(),
  };
}
