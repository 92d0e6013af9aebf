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

/** The same backend, but for `changes`; what is undefined among them is left out. */
export function altered(backend: LockBackend, changes: Partial<LockBackend>): LockBackend {
  return changed(backend, changes);
}

/** The same for a manager. */
export function alteredManager(manager: LockManager, changes: Partial<LockManager>): LockManager {
  return changed(manager, changes);
}

function changed<T extends object>(whole: T, changes: Partial<T>): T {
  return new Proxy(whole, {
    get(target, property) {
      if (property in changes) return changes[property as keyof T];
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

/** A mutant whose clients share nothing but the store. */
export function each(changes: (backend: LockBackend) => Partial<LockBackend>): () => (backend: LockBackend) => LockBackend {
  return () => (backend) => altered(backend, changes(backend));
}
