import { LockArgumentError } from '@holdfast/core';

/**
 * An options object as it is now, as a plain one, each property read once: which options are known is only seen when the
 * module that the URL names is loaded, and until then what was given must not change. What does not stand there openly, such as the
 * getters of a class, is not enumerable here either: it counts where it is a known option, and is no unknown one.
 */
export type OptionSnapshot = Readonly<Record<string, unknown>>;

export function snapshotOf(source: object): OptionSnapshot {
  const snapshot: Record<string, unknown> = {};
  for (let at: object | null = source; at !== null && at !== Object.prototype; at = Object.getPrototypeOf(at) as object | null) {
    for (const key of Object.getOwnPropertyNames(at)) {
      if (Object.hasOwn(snapshot, key) || (key === 'constructor' && at !== source)) continue;
      add(snapshot, key, (source as OptionSnapshot)[key], isOpen(at, key));
    }
  }
  return snapshot;
}

/**
 * All of them together; one that is there twice is refused, because whichever won would surprise somebody.
 *
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT
 */
export function combine(
  where: string,
  snapshots: readonly OptionSnapshot[],
  places = 'the configuration and in the options',
): OptionSnapshot {
  const all: Record<string, unknown> = {};
  for (const snapshot of snapshots) {
    for (const key of Object.getOwnPropertyNames(snapshot)) {
      const value = snapshot[key];
      // Objects of one class have their methods in common.
      if (value === undefined || (typeof value === 'function' && !isOpen(snapshot, key) && Object.hasOwn(all, key))) continue;
      if (Object.hasOwn(all, key))
        throw new LockArgumentError(`${where}: ${key} is given twice, in ${places}; give it once`, { option: key });
      add(all, key, value, isOpen(snapshot, key));
    }
  }
  return all;
}

/** What stands there openly, and of the rest what is known. */
export function openOrKnown(snapshot: OptionSnapshot, isKnown: (key: string) => boolean): OptionSnapshot {
  const keys = Object.getOwnPropertyNames(snapshot).filter((key) => isOpen(snapshot, key) || isKnown(key));
  return Object.fromEntries(keys.map((key) => [key, snapshot[key]]));
}

/** An `await` that was forgotten: it would read as a configuration without any options. */
export function isPromise(value: object): boolean {
  return typeof (value as { readonly then?: unknown }).then === 'function';
}

/** All but these. */
export function without(snapshot: OptionSnapshot, keys: readonly string[]): OptionSnapshot {
  const rest = {};
  for (const key of Object.getOwnPropertyNames(snapshot)) if (!keys.includes(key)) add(rest, key, snapshot[key], isOpen(snapshot, key));
  return rest;
}

function isOpen(source: object, key: string): boolean {
  return Object.prototype.propertyIsEnumerable.call(source, key);
}

/** Not by assignment: a key may be `__proto__`. */
function add(snapshot: object, key: string, value: unknown, enumerable: boolean): void {
  Object.defineProperty(snapshot, key, { value, enumerable, writable: true, configurable: true });
}
