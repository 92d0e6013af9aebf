import type { LockManager } from '@holdfast/core';
import { adaptLegacyLock } from '@holdfast/migration';
import { Client } from 'hazelcast-client';

function connect(port: number): Promise<Client> {
  return Client.newHazelcastClient({
    network: { clusterMembers: [`127.0.0.1:${port}`] },
    properties: { 'hazelcast.logging.level': 'OFF' },
  });
}

/** The FencedLock of the CP subsystem, as docs/migrating-from-hazelcast.md has it. */
export function hazelcastLocks(port: number): LockManager<null> {
  const connected = connect(port);
  const getLock = async (name: string) => (await connected).getCPSubsystem().getLock(name);
  return adaptLegacyLock({
    name: 'hazelcast',
    tryLock: async (name: string) => (await (await getLock(name)).tryLock()) ?? null,
    async unlock(name, { handle }) {
      try {
        await (await getLock(name)).unlock(handle);
        return true;
      } catch (error) {
        if (error instanceof Error && /OwnershipLost|IllegalMonitorState/.test(error.name)) return false;
        throw error;
      }
    },
    isLocked: async (name) => (await getLock(name)).isLocked(),
    close: async () => (await connected).shutdown(),
  });
}

/** `map.lock(key)` of the map `locks`. The owner of such a lock is the whole client; the adapter keeps the tasks of one process apart. */
export function hazelcastMapLocks(port: number): LockManager<null> {
  const connected = connect(port);
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
