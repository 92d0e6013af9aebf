import { type Answer, LockUnavailableError } from '@holdfast/core';
import { unavailable } from './redis-error.js';

/** Reads one reply of acquire.lua. @throws LockUnavailableError when it is none */
export function readAnswer(reply: unknown, lockName: string): Answer<bigint> {
  if (reply === 'WRONGTYPE') throw wrongType(lockName);
  // Strings where the user's client was told so (stringNumbers).
  const value = typeof reply === 'string' ? Number(reply) : reply;
  if (typeof value !== 'number' || !Number.isSafeInteger(value)) throw unavailable(new Error('no reply'), lockName);
  if (value >= 0) return { granted: true, fencingToken: BigInt(value) };
  return { granted: false, remainingMs: value === -1 ? null : -2 - value };
}

/** Reads the reply of a script that says 1 for yes and 0 for no. */
export function readBoolean(reply: unknown, lockName: string | null): boolean {
  const value = Number(reply);
  if (value !== 0 && value !== 1) throw unavailable(new Error('no reply'), lockName);
  return value === 1;
}

export function wrongType(lockName: string): LockUnavailableError {
  return new LockUnavailableError(
    'redis: the key of this lock holds a list, hash or the like, which no lock does; choose a prefix of which no other program makes use',
    { backend: 'redis', lockName, retryable: false },
  );
}
