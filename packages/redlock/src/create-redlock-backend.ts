import { randomBytes } from 'node:crypto';
import { emitWarning } from 'node:process';
import { type LockBackend, systemClock } from '@holdfast/core';
import { RedisNode } from './node/redis-node.js';
import { RedlockBackend } from './redlock-backend.js';
import { type RedlockBackendOptions, resolveRedlockOptions } from './redlock-options.js';

/**
 * Locks on a majority of independent Redis servers. Makes no contact before the first call.
 *
 * A node takes part only once it was set up: by `initializeNodes` for a new deployment, else after a quarantine of
 * `maxTtlMs` and its guard time from its first contact, and again after each restart.
 *
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT
 *
 * @example
 * ```ts
 * import { createLockManager } from 'holdfast';
 * import { createRedlockBackend } from 'holdfast/redlock';
 *
 * const locks = createLockManager(createRedlockBackend({ urls: ['redis://redis-1:6379', 'redis://redis-2:6379', 'redis://redis-3:6379'] }), { waitMs: 2_000 });
 * await locks.close();
 * ```
 */
export function createRedlockBackend(options: RedlockBackendOptions): LockBackend<bigint> {
  const { sources, protocol, node } = resolveRedlockOptions('createRedlockBackend', options, systemClock);
  if (sources.length === 1) {
    emitWarning('one node is no majority of independent servers: its loss is the loss of all locks', {
      type: 'HoldfastWarning',
      code: 'HOLDFAST_REDLOCK_ONE_NODE',
    });
  }
  return new RedlockBackend({
    settings: protocol,
    clock: systemClock,
    connect: (targetOf) => sources.map(({ label, source }, index) => new RedisNode(label, source, node, systemClock, targetOf(index))),
    newToken: () => randomBytes(16).toString('hex'),
  });
}
