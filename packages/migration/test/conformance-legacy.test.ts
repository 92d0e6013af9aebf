import type { LockManager } from '@holdfast/core';
import { type ConformanceHarness, describeLockManager } from '@holdfast/core/conformance';
import { adaptLegacyLock, type LegacyLock } from '@holdfast/migration';
import { describe, it } from 'vitest';
import { ClientLocks, KeyLocks, SharedLocks } from './legacy/legacy-locks.js';

// Cases only share the machine: each has locks of its own.
const sideBySide = { describe, it: it.concurrent };

describeLockManager(
  sideBySide,
  harness('a legacy lock with owners and expiry', () => new KeyLocks()),
);
describeLockManager(
  sideBySide,
  harness('a legacy lock that is re-entrant for its process', () => new ClientLocks()),
);

// Without read/write locks, of which the suite wants that a waiting writer keeps new readers out: an old lock may not know who waits.
describeLockManager(
  sideBySide,
  harness('a legacy lock and semaphore', () => new SharedLocks(['semaphore'])),
);

function harness<H>(name: string, create: () => LegacyLock<H> & { peer(): LegacyLock<H> }): ConformanceHarness {
  return {
    name,
    setup(options) {
      const first = create();
      const managers: LockManager[] = [adaptLegacyLock(first, options)];
      return {
        manager: managers[0] ?? adaptLegacyLock(first),
        peer(peerOptions) {
          const manager = adaptLegacyLock(first.peer(), peerOptions);
          managers.push(manager);
          return manager;
        },
        async close() {
          await Promise.all(managers.map((manager) => manager.close()));
        },
      };
    },
  };
}
