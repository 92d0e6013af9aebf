import { type LockBackend, LockArgumentError, onceAProcess, rule, systemClock } from '@holdfast/core';
import { createMemoryBackend, createMemoryStore, type MemoryBackendOptions, type MemoryStore } from '@holdfast/core/memory';

export const optionRules = { store: rule.object, fair: rule.boolean };

// One process is to `memory:` what one server is to `redis://`: the one who connects to the same URL locks out the others,
// as after the switch to a real store. For the life of the process, as fencing tokens must not start again.
const stores = onceAProcess('holdfast:memory-stores:1', () => new Map<string, MemoryStore>());

/**
 * `memory:` is the store that all of this process share, `memory:name` another one, and the option `store` one's own.
 *
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT
 */
export function openBackend(url: string, options: MemoryBackendOptions): LockBackend<bigint> {
  const name = url.slice(url.indexOf(':') + 1).replace(/^\/\//, '');
  if (!/^[\w.:-]{0,100}$/.test(name)) {
    throw new LockArgumentError('connect: what follows memory: is the name of a store, up to 100 letters, digits, _, ., : and -', {
      option: 'url',
    });
  }
  if (options.store === undefined) return createMemoryBackend({ ...options, store: storeNamed(name) });
  if (name === '') return createMemoryBackend(options);
  throw new LockArgumentError('connect: the URL names a store and the option store gives one; use "memory:" with the option', {
    option: 'store',
  });
}

function storeNamed(name: string): MemoryStore {
  const found = stores.get(name) ?? createMemoryStore({ clock: systemClock });
  stores.set(name, found);
  return found;
}
