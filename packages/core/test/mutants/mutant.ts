import type { LockBackend, LockManager } from '@holdfast/core';

/** One way of breaking a rule, and the cases that must notice it. */
export interface Mutant {
  readonly id: string;
  /** The rule that it breaks, in the words of the contract. */
  readonly breaks: string;
  /** Ids of conformance cases; each must fail on this mutant, and passes on the unbroken backend. */
  readonly caughtBy: readonly [string, ...string[]];
  /** @default true, the memory backend with a queue in the store */
  readonly fair?: boolean;
  /** Called once for each store; what it returns is called for each client of it. */
  readonly breakBackend?: () => (backend: LockBackend) => LockBackend;
  readonly breakManager?: () => (manager: LockManager) => LockManager;
}

/** A plain object that does what `backend` does, but for `changes`. */
export function altered(backend: LockBackend, changes: Partial<LockBackend>): LockBackend {
  const { marks, wait, subscribe, list, onLimitDiffers } = backend;
  return {
    contract: backend.contract,
    name: backend.name,
    capabilities: backend.capabilities,
    attempt: (requests, call) => backend.attempt(requests, call),
    renew: (holds, call) => backend.renew(holds, call),
    release: (holds, call) => backend.release(holds, call),
    inspect: (name, kind, call) => backend.inspect(name, kind, call),
    forceRelease: (name, kind, call) => backend.forceRelease(name, kind, call),
    checkHealth: (call) => backend.checkHealth(call),
    close: () => backend.close(),
    ...(wait && { wait: wait.bind(backend) }),
    ...(subscribe && { subscribe: subscribe.bind(backend) }),
    ...(list && { list: list.bind(backend) }),
    ...(onLimitDiffers && { onLimitDiffers: onLimitDiffers.bind(backend) }),
    ...(marks && { marks }),
    ...(backend.takesNext === true && { takesNext: true }),
    ...(backend.requestsExpire === true && { requestsExpire: true }),
    ...changes,
  };
}

/** The same for a manager. */
export function alteredManager(manager: LockManager, changes: Partial<LockManager>): LockManager {
  return new Proxy(manager, {
    get(target, property) {
      if (property in changes) return changes[property as keyof LockManager];
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

/** A mutant whose clients share nothing but the store. */
export function each(changes: (backend: LockBackend) => Partial<LockBackend>): () => (backend: LockBackend) => LockBackend {
  return () => (backend) => altered(backend, changes(backend));
}
