import { type LockBackend, rule } from '@holdfast/core';
import { createMemoryBackend } from '@holdfast/core/memory';

/** What openBackend was called with, and what became of its backends. */
export const seen = { url: '', options: {} as Readonly<Record<string, unknown>>, opened: 0, closed: 0 };

/** @public connect reads it from the module. */
export const optionRules = { tenant: rule.string, shards: rule.integer(1, 64), password: rule.secret(rule.string) };

/** Another party's backend: the memory backend under another name, which counts. */
export function openBackend(url: string, options: Readonly<Record<string, unknown>>): LockBackend<bigint> {
  Object.assign(seen, { url, options, opened: seen.opened + 1 });
  return acmeBackend({});
}

/** A backend with some of its parts replaced. */
export function acmeBackend(parts: Readonly<Record<string, unknown>>): LockBackend<bigint> {
  const inner = createMemoryBackend();
  return new Proxy(inner, {
    get(target, property) {
      if (typeof property === 'string' && Object.hasOwn(parts, property)) return parts[property];
      if (property === 'name') return 'acme';
      if (property === 'close') {
        return async () => {
          seen.closed += 1;
          await target.close();
        };
      }
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}
