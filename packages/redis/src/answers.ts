import { type Answer, type DifferentLimit, LockUnavailableError, type ReleaseAnswer } from '@holdfast/core';
import { ConnectionFault, type Piece } from '@holdfast/core/backend';
import { ForeignKeyError, unavailable } from './redis-error.js';
import type { RedisStep } from './redis-step.js';

type Named = Pick<Piece<RedisStep>, 'lockName'>;

const FENCE = /^\d{1,16}$/;

/** Reads one reply of acquire.lua. "Busy" is not the last that is heard of the owner while a second copy of the request is on its way. */
export function readAcquired(reply: unknown, piece: Named, isFinal: boolean): Answer<bigint> {
  const answer = readAnswer(reply, piece);
  return answer.granted || isFinal ? answer : { ...answer, isFinal };
}

/** Reads one reply of acquire.lua. @throws LockUnavailableError when it is none */
function readAnswer(reply: unknown, { lockName }: Named): Answer<bigint> {
  // Lists from RESP2 and RESP3 alike hold a text for a grant; where the user's client turns numbers into texts
  // (stringNumbers), the sign tells the rest.
  if (typeof reply === 'string' && FENCE.test(reply)) return { granted: true, fencingToken: BigInt(reply) };
  if (reply === 'WRONGTYPE') throw new ForeignKeyError(lockName);
  if (reply === 'FENCE') throw noFence(lockName);
  const value = Number(reply);
  if (!Number.isSafeInteger(value) || value >= 0) throw unavailable(new Error('no reply'), lockName);
  return { granted: false, remainingMs: value === -1 ? null : -2 - value };
}

/** As `readAcquired`, and reports the other limit by which a holder goes, where the reply has one behind it: `reply limit other`. */
export function acquiredReader(onLimitDiffers: (seen: DifferentLimit) => void): typeof readAcquired {
  return (reply, piece, isFinal) => {
    // By far the most frequent.
    if (typeof reply === 'string' && FENCE.test(reply)) return { granted: true, fencingToken: BigInt(reply) };
    const [, rest, limit, other] = (typeof reply === 'string' && /^(-?\d+) (\d+) (\d+)$/.exec(reply)) || [];
    if (rest === undefined) return readAcquired(reply, piece, isFinal);
    onLimitDiffers({ name: piece.lockName ?? '', limit: Number(limit), holdersLimit: Number(other) });
    return readAcquired(rest, piece, isFinal);
  };
}

/** Reads the reply of hand-over.lua. "Not ours" says nothing when another copy of the request may have freed the hold. */
export function readHandedOn(reply: unknown, { lockName }: Named, isFinal: boolean, isOnly: boolean): ReleaseAnswer {
  if (typeof reply === 'string' && FENCE.test(reply))
    return { wasOurs: true, isFinal, next: { granted: true, fencingToken: BigInt(reply) } };
  const value = Number(reply);
  if (value !== -1 && value !== -2) throw unavailable(new Error('no reply'), lockName);
  if (value === -2 && !isOnly) throw unavailable(new ConnectionFault('closed'), lockName);
  return { wasOurs: value === -1, isFinal, next: { granted: false, isFinal, remainingMs: null } };
}

/** Reads the reply of a script that says 1 for yes and 0 for no. */
export function readBoolean(reply: unknown, { lockName }: Named): boolean {
  if (reply === 'WRONGTYPE') throw new ForeignKeyError(lockName);
  const value = Number(reply);
  if (value !== 0 && value !== 1) throw unavailable(new Error('no reply'), lockName);
  return value === 1;
}

/** The same of what can be done once only: "no" says nothing when another copy of the request may have done it. */
export function readOnce(reply: unknown, piece: Named, _isFinal: boolean, isOnly: boolean): boolean {
  const isDone = readBoolean(reply, piece);
  if (!isDone && !isOnly) throw unavailable(new ConnectionFault('closed'), piece.lockName);
  return isDone;
}

export function noFence(lockName: string | null): LockUnavailableError {
  return new LockUnavailableError(
    'redis: the key from which this lock takes its fencing tokens (holdfast.{...}:fence, in the slot of the lock) holds something else than the last of them; set it to a number that is above every token of its locks and near the clock in microseconds, or delete it when none is in use',
    { backend: 'redis', lockName, retryable: false },
  );
}
