import { isLockError, type Lease, type LockLostError, type LockManager } from '@holdfast/core';
import { newName } from '@holdfast/test/backend';
import { until } from '@holdfast/test/servers';
import type pg from 'pg';
import { expect } from 'vitest';

/** How a lease is lost, within this time. */
export function lossOf(lease: Lease, ms: number): Promise<LockLostError> {
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => reject(new Error(`not notified in ${ms} ms`)), ms);
    const tell = (): void => {
      clearTimeout(late);
      resolve(lease.signal.reason as LockLostError);
    };
    if (lease.signal.aborted) tell();
    else lease.signal.addEventListener('abort', tell, { once: true });
  });
}

export async function worksAgain(locks: LockManager): Promise<void> {
  await until('it works again', async () => (await (await locks.tryAcquire(newName()))?.release()) === true, { timeoutMs: 15_000 });
}

/** The refusal of a call: the store is unavailable. */
export async function failure(promise: Promise<unknown>): Promise<{ readonly message: string; readonly retryable: boolean }> {
  const error: unknown = await promise.then(
    () => expect.fail('it was not refused'),
    (reason: unknown) => reason,
  );
  if (!isLockError(error, 'LOCK_BACKEND_UNAVAILABLE')) throw error;
  return error;
}

/** Since PostgreSQL 14 the server ends sessions that ask nothing for too long. */
export async function endsIdleSessions(admin: pg.Pool): Promise<boolean> {
  const { rows } = await admin.query<{ readonly version: number }>(`select current_setting('server_version_num')::int as version`);
  return (rows[0]?.version ?? 0) >= 140_000;
}
