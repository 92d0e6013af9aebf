import type { LockBackend } from '../contract/backend.js';
import { guardMs } from '../store/guard.js';

/** Whether the store keeps a hold for as long as a session lives, not for a time that it was told. */
export function isSessionStore(backend: LockBackend): boolean {
  return backend.capabilities.expiry === 'session';
}

/** For how long one good answer may be believed, in ms. */
export function beliefMs(backend: LockBackend, ttlMs: number): number {
  return isSessionStore(backend) ? Math.min(ttlMs, backend.sessionMs ?? ttlMs) : ttlMs;
}

/** What the store is told, in ms: the holder's belief and the guard time. */
export function storeTtlMs(backend: LockBackend, ttlMs: number): number {
  return isSessionStore(backend) ? ttlMs : ttlMs + guardMs(ttlMs);
}
