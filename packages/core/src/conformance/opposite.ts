import assert from 'node:assert/strict';
import { isLockError, type LockManager } from '../index.js';
import type { CapabilityName } from './levels.js';
import { describe, rejectsWith } from './expectations.js';

/** A backend that lacks a capability says so, at once and with LOCK_UNSUPPORTED, instead of doing something else. */
export async function checkOpposite(capability: CapabilityName, manager: LockManager): Promise<void> {
  const name = `conformance-${crypto.randomUUID()}`;
  switch (capability) {
    case 'semaphores':
      return throwsUnsupported(capability, () => manager.semaphore(name, { permits: 2 }));
    case 'readWriteLocks':
      return throwsUnsupported(capability, () => manager.readWriteLock(name));
    case 'list': {
      const error = await rejectsWith('LOCK_UNSUPPORTED', manager.list({ prefix: name })[Symbol.asyncIterator]().next());
      assert.equal(error.capability, capability);
      return;
    }
    case 'marks':
      assert.equal(manager.marks, null);
      return;
    case 'fencing': {
      // A number that does not rise is worse than none: a resource would trust it.
      const lease = await manager.acquire(name, { waitMs: 2_000 });
      assert.equal(lease.fencingToken, null);
      await lease.release();
      return;
    }
    case 'reportsLimits':
    case 'fair':
    case 'push': {
      // Promised in addition; without it everything else still holds, and the lock must at least work.
      const lease = await manager.acquire(name, { waitMs: 2_000 });
      assert.equal(await lease.release(), true);
      return;
    }
    default:
      capability satisfies never;
  }
}

function throwsUnsupported(capability: CapabilityName, call: () => unknown): void {
  try {
    call();
  } catch (error) {
    if (!isLockError(error, 'LOCK_UNSUPPORTED')) assert.fail(`expected LOCK_UNSUPPORTED, got ${describe(error)}`);
    assert.equal(error.capability, capability);
    return;
  }
  assert.fail(`the backend lacks ${capability} and offers it nevertheless`);
}
