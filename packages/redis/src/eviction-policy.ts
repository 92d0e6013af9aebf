import { LockUnavailableError } from '@holdfast/core';
import { unavailable } from './redis-error.js';
import type { RedisPort } from './redis-port.js';
import { askPermitted, settingOf } from './server-settings.js';

/**
 * Refuses a server that may evict keys when memory runs short: it would drop locks that are held, and nobody would be notified.
 * Where the policy cannot be read (a permission is missing, a proxy answers) it is trusted.
 *
 * @throws LockUnavailableError `retryable: false` for an evicting policy
 */
export async function refuseEviction(port: RedisPort): Promise<void> {
  if (port.isCluster !== true) return check(port);
  // A cluster client that has not connected yet knows no nodes; any command makes it connect.
  if (port.masters?.().length === 0) await policyOf(port);
  const outcomes = await Promise.allSettled((port.masters?.() ?? []).map(check));
  const failures = outcomes.filter((outcome) => outcome.status === 'rejected').map(({ reason }) => unavailable(reason, null, port.driver));
  // One master that is down must not stand in the way of the names that the others keep.
  const fatal = failures.find((error) => error.code !== 'LOCK_BACKEND_UNAVAILABLE' || !error.retryable);
  if (fatal !== undefined) throw fatal;
  if (failures.length > 0 && failures.length === outcomes.length) throw failures[0] as Error;
}

async function check(server: RedisPort): Promise<void> {
  const policy = await policyOf(server);
  if (policy === null || policy === 'noeviction') return;
  throw new LockUnavailableError(
    `redis: the server's maxmemory-policy is ${policy.slice(0, 40)}, by which it may drop locks that are held; set it to noeviction, use another server, or pass allowEviction: true`,
    { backend: 'redis', driver: server.driver, retryable: false },
  );
}

async function policyOf(server: RedisPort): Promise<string | null> {
  const info = await askPermitted(server, 'INFO', 'memory');
  const told = typeof info === 'string' ? /^maxmemory_policy:(\S+)/m.exec(info)?.[1] : undefined;
  if (told !== undefined) return told;
  return await settingOf(server, 'maxmemory-policy');
}
