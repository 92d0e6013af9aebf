import { type FencingToken, isLockError, type Lease, LockLostError } from '@holdfast/core';
import { domError, type WebLockRequest } from './read-request.js';
import type { WebLock, WebLockMode } from './types.js';

/** The lock as the callback sees it. */
class Lock implements WebLock {
  readonly #lease: Lease;
  readonly #mode: WebLockMode;

  constructor(lease: Lease, mode: WebLockMode) {
    this.#lease = lease;
    this.#mode = mode;
  }

  get name(): string {
    return this.#lease.name;
  }

  get mode(): WebLockMode {
    return this.#mode;
  }

  get signal(): AbortSignal {
    return this.#lease.signal;
  }

  get fencingToken(): FencingToken {
    return this.#lease.fencingToken;
  }

  get [Symbol.toStringTag](): string {
    return 'Lock';
  }
}

/** Runs the callback, and frees the lock before the caller hears of the result. A loss is reported at once: the standard ends no callback either. */
export async function runUnder(lease: Lease | null, { mode, callback }: WebLockRequest): Promise<unknown> {
  if (lease === null) return await callback(null);
  const { signal } = lease;
  const stop = new AbortController();
  const lost = new Promise<never>((_, reject) => {
    const tell = (): void => reject(reported(signal.reason));
    if (signal.aborted) tell();
    else signal.addEventListener('abort', tell, { once: true, signal: stop.signal });
  });
  const ended = end(lease, async () => callback(new Lock(lease, mode)));
  try {
    return await Promise.race([ended, lost]);
  } finally {
    stop.abort();
  }
}

async function end(lease: Lease, run: () => Promise<unknown>): Promise<unknown> {
  let value: unknown;
  try {
    value = await run();
  } catch (error) {
    // The callback's own error wins.
    await lease.release().catch(() => {});
    throw error;
  }
  // A release that was not answered goes on in the background, and the work was done under the lock.
  if (await lease.release().catch(() => true)) return value;
  const { name, fencingToken } = lease;
  throw new LockLostError(`${JSON.stringify(name)} was lost: it was gone when the callback had ended`, {
    lockName: name,
    fencingToken,
    reason: 'taken',
  });
}

/** A lock that a `steal` of the same manager took is reported as the standard reports it. */
function reported(loss: unknown): unknown {
  return isLockError(loss, 'LOCK_LOST') && loss.reason === 'forced' ? domError('AbortError', 'the lock was stolen', loss) : loss;
}
