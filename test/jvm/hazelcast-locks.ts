import type { LockManager } from '@holdfast/core';
import { adaptLegacyLock } from '@holdfast/migration';
import { Client } from 'hazelcast-client';

function connect(ports: readonly number[]): Promise<Client> {
  return Client.newHazelcastClient({
    network: { clusterMembers: ports.map((port) => `127.0.0.1:${port}`) },
    properties: { 'hazelcast.logging.level': 'OFF' },
  });
}

/** FencedLock and ISemaphore of the CP subsystem, as docs/migrating-from-hazelcast.md has them. */
export function hazelcastLocks(ports: readonly number[]): LockManager<null> {
  const connected = connect(ports);
  const getLock = async (name: string) => (await connected).getCPSubsystem().getLock(name);
  const getSemaphore = async (name: string) => (await connected).getCPSubsystem().getSemaphore(name);
  return adaptLegacyLock({
    name: 'hazelcast',
    also: ['semaphore'],
    async tryLock(name: string, { mode, permits, limit }) {
      if (mode === 'exclusive') return (await (await getLock(name)).tryLock()) ?? null;
      const semaphore = await getSemaphore(name);
      await semaphore.init(limit);
      return (await semaphore.tryAcquire(permits)) ? permits : null;
    },
    async unlock(name, { handle, permits }) {
      try {
        if (typeof handle === 'number') await (await getSemaphore(name)).release(permits);
        else await (await getLock(name)).unlock(handle);
        return true;
      } catch (error) {
        if (error instanceof Error && /OwnershipLost|IllegalMonitorState|IllegalState/.test(error.name)) return false;
        throw error;
      }
    },
    isLocked: async (name) => (await getLock(name)).isLocked(),
    // Whose permits are taken the members do not say; that they answer shows that the session goes on.
    isHeld: async (name, { mode }) =>
      mode === 'exclusive' ? (await getLock(name)).isLocked() : (await (await getSemaphore(name)).availablePermits()) >= 0,
    close: async () => (await connected).shutdown(),
  });
}

/** `map.lock(key)` of the map `locks`. The owner of such a lock is the whole client; the adapter keeps the tasks of one process apart. */
export function hazelcastMapLocks(ports: readonly number[]): LockManager<null> {
  const connected = connect(ports);
  const getMap = async () => (await connected).getMap<string, string>('locks');
  return adaptLegacyLock({
    name: 'hazelcast-map',
    tryLock: async (name: string) => (await getMap()).tryLock(name),
    async unlock(name) {
      try {
        await (await getMap()).unlock(name);
        return true;
      } catch (error) {
        if (error instanceof Error && /IllegalMonitorState/.test(error.name)) return false;
        throw error;
      }
    },
    isLocked: async (name) => (await getMap()).isLocked(name),
    close: async () => (await connected).shutdown(),
  });
}
