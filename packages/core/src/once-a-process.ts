import { emitWarning } from 'node:process';

type Shared = Record<symbol, unknown>;

/**
 * What must exist once in a process (in a worker thread: once a thread), although the module that makes it may be loaded twice there: a copy for
 * `import` and one for `require`, or two versions. Kept on `globalThis` under `Symbol.for(key)`.
 *
 * @param key names it: the package and a version of its form, such as `@holdfast/core:tasks:1`. Who changes the form changes the version
 * @param make makes it, for the copy that comes first
 */
export function onceAProcess<T extends object>(key: string, make: () => T): T {
  const shared = globalThis as unknown as Shared;
  const symbol = Symbol.for(key);
  shared[symbol] ??= make();
  return shared[symbol] as T;
}

const warned = onceAProcess('@holdfast/core:warned:1', () => new Set<string>());

/** A process warning of type `HoldfastWarning`, once for each code, however many managers meet what it warns of. */
export function warnOnce(code: string, message: string): void {
  if (warned.has(code)) return;
  warned.add(code);
  emitWarning(message, { type: 'HoldfastWarning', code });
}
