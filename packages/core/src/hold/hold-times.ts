import type { LockBackend } from '../contract/backend.js';
import { guardMs } from '../store/guard.js';

/** For how long one good answer may be believed, in ms. A session store keeps a hold for as long as the session lives. */
export function beliefMs(backend: LockBackend, ttlMs: number): number {
  return backend.capabilities.expiry === 'session' ? Math.min(ttlMs, backend.sessionMs ?? ttlMs) : ttlMs;
}

/** What the store is given, in ms: the holder's belief and the guard time. */
export function storeTtlMs(backend: LockBackend, ttlMs: number): number {
  return backend.capabilities.expiry === 'session' ? ttlMs : ttlMs + guardMs(ttlMs);
}
