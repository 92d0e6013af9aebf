import { LockUnavailableError } from '@holdfast/core';
import type { DriverClient } from './redis-client.js';
import { unavailable } from './redis-error.js';
import { askPermitted, settingOf } from './server-settings.js';

/**
 * Refuses a server that may evict keys when memory runs short: it would drop locks that are held, with nobody told.
 * Where the policy cannot be read (a right is missing, a proxy answers) it is trusted.
 *
 * @throws LockUnavailableError `retryable: false` for an evicting policy
 */
export async function refuseEviction(client: DriverClient): Promise<void> {
  if (!client.isCluster) return check(client);
  // A cluster client that has not connected yet knows no nodes; any command makes it connect.
  if (client.nodes?.('master').length === 0) await policyOf(client);
  const outcomes = await Promise.allSettled((client.nodes?.('master') ?? []).map(check));
  const failures = outcomes.filter((outcome) => outcome.status === 'rejected').map(({ reason }) => unavailable(reason));
  // One master that is down must not stand in the way of the names that the others keep.
  const fatal = failures.find((error) => error.code !== 'LOCK_BACKEND_UNAVAILABLE' || !error.retryable);
  if (fatal !== undefined) throw fatal;
  if (failures.length > 0 && failures.length === outcomes.length) throw failures[0] as Error;
}

async function check(client: DriverClient): Promise<void> {
  const policy = await policyOf(client);
  if (policy === null || policy === 'noeviction') return;
  throw new LockUnavailableError(
    `redis: the server's maxmemory-policy is ${policy.slice(0, 40)}, by which it may drop locks that are held; set it to noeviction, use another server, or pass allowEviction: true`,
    { backend: 'redis', retryable: false },
  );
}

async function policyOf(client: DriverClient): Promise<string | null> {
  const info = await askPermitted(client, 'INFO', 'memory');
  const told = typeof info === 'string' ? /^maxmemory_policy:(\S+)/m.exec(info)?.[1] : undefined;
  if (told !== undefined) return told;
  return await settingOf(client, 'maxmemory-policy');
}
