import type { Clock, LockBackend, LockManager } from '@holdfast/core';
import type { Machine } from '@holdfast/test/simulation';

/** The invariants, as docs/simulator.md names them. */
export type Rule = 'I1' | 'I2' | 'I3' | 'I4' | 'I5' | 'I6' | 'I7' | 'I8' | 'I9' | 'I10';

/** What is wrong with a product that the simulator and its seeds have to catch. Stores have further ways of being wrong. */
export interface Mutant {
  readonly id: string;
  /** The rule that it breaks, as a sentence that is true of the product. */
  readonly breaks: string;
  /** Under which of the invariants it is found. */
  readonly rule: Rule;
  /** What stands between a manager and its backend. */
  readonly backend?: (backend: LockBackend<bigint>) => Partial<LockBackend<bigint>>;
  /** What stands between a manager and its users. */
  readonly manager?: (manager: LockManager<bigint>) => Partial<LockManager<bigint>>;
  /** The clock that the manager is given. */
  readonly clock?: (machine: Machine) => Clock;
}

/** The product as it is. */
export const unbroken: Mutant = { id: 'none', breaks: 'nothing', rule: 'I1' };

/** The same but for some of its members. */
export function altered<T extends object>(whole: T, changes: ((whole: T) => Partial<T>) | undefined): T {
  if (changes === undefined) return whole;
  const changed = changes(whole);
  return new Proxy(whole, {
    get(target, property) {
      if (property in changed) return changed[property as keyof T];
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}
