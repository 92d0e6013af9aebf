import type { LockBackend } from '../contract/backend.js';
import { LockArgumentError } from '../errors.js';
import { guardMs } from '../time/guard.js';
import type { StoreFacts } from './hold-state.js';

/** What the machine of a hold must know of the backend. */
export function storeFacts(backend: LockBackend, commandTimeoutMs: number): StoreFacts {
  const { name } = backend;
  if (backend.capabilities.expiry !== 'session') {
    return { backend: name, isSession: false, sessionMs: Number.POSITIVE_INFINITY, commandTimeoutMs };
  }
  return {
    backend: name,
    isSession: true,
    // Of the session that stands, which need not be like the last.
    get sessionMs() {
      return backend.sessionMs ?? Number.POSITIVE_INFINITY;
    },
    commandTimeoutMs,
  };
}

/**
 * What the store is given, in ms: the holder's belief and the guard time.
 *
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT where that is longer than the backend's longest
 */
export function storeTtlMs(backend: LockBackend, ttlMs: number): number {
  const toldMs = ttlMs + guardOf(backend, ttlMs);
  if (backend.maxTtlMs !== undefined && toldMs > backend.maxTtlMs) {
    throw new LockArgumentError(
      `ttlMs is ${ttlMs}; it must be at most ${longestTtlMs(backend, ttlMs)}, the longest of the ${backend.name} backend`,
      { option: 'ttlMs', backend: backend.name },
    );
  }
  return toldMs;
}

/** The longest ttl that the backend takes, up to this one. */
export function longestTtlMs(backend: LockBackend, ttlMs: number): number {
  const most = backend.maxTtlMs;
  if (most === undefined || ttlMs + guardOf(backend, ttlMs) <= most) return ttlMs;
  // The guard is a tenth, within bounds: the rest of the longest after it is found from above.
  let longest = Math.min(ttlMs, most);
  while (longest > 1 && longest + guardOf(backend, longest) > most)
    longest -= Math.max(1, Math.floor((longest + guardOf(backend, longest) - most) / 2));
  return longest;
}

function guardOf(backend: LockBackend, ttlMs: number): number {
  return backend.capabilities.expiry === 'session' ? 0 : guardMs(ttlMs);
}
