// A peer as a LockBackend: each function asks the library once. What the library has not (inspect, forced release) is done beside it, on the first
// server. The owner of a hold is the library's own, so which hold was meant by a request is kept here.
import { createRequire } from 'node:module';
import { pathToFileURL } from 'node:url';
import { createLockManager, LockUnavailableError, LockUnsupportedError } from '../../packages/core/dist/index.js';
import { peers } from './adapters.mjs';

/** @param data `{ id, folder, nodes }` */
export async function openPeerBackend({ id, folder, nodes }) {
  const require = createRequire(`${folder}/package.json`);
  const Redis = require('ioredis');
  const load = (name) => import(pathToFileURL(require.resolve(name)).href);
  const client = await peers.find((peer) => peer.id === id).open(require, nodes, Redis, load);
  const admin = new Redis({ ...nodes[0], maxRetriesPerRequest: 1 });
  admin.on('error', () => {});
  const holds = new Map();
  const asked = async (call) => {
    try {
      return await call();
    } catch (error) {
      throw new LockUnavailableError(`${id}: ${error instanceof Error ? error.message : String(error)}`, { backend: id });
    }
  };
  return {
    contract: 1,
    name: id,
    capabilities: {
      fencing: false,
      semaphores: false,
      readWriteLocks: false,
      fair: false,
      push: false,
      marks: false,
      list: false,
      expiry: 'ttl',
    },
    attempt: (requests) =>
      Promise.all(
        requests.map(async ({ name, owner, mode, ttlMs }) => {
          if (mode !== 'exclusive') throw new LockUnsupportedError('locks only', { capability: 'semaphores' });
          const handle = holds.get(owner) ?? (await asked(() => client.acquire(name, ttlMs)));
          if (handle === null) return { granted: false, remainingMs: null };
          holds.set(owner, handle);
          return { granted: true, fencingToken: null };
        }),
      ),
    renew: (refs) =>
      Promise.all(
        refs.map(async ({ owner, ttlMs }) => {
          const handle = holds.get(owner);
          if (handle === undefined) return false;
          const extended = await asked(() => client.extend(handle, ttlMs));
          // Some answer the hold anew.
          if (typeof extended === 'object' && extended !== null) holds.set(owner, extended);
          return extended !== false;
        }),
      ),
    release: (refs) =>
      Promise.all(
        refs.map(async ({ owner }) => {
          const handle = holds.get(owner);
          if (handle === undefined) return false;
          const freed = await asked(() => client.release(handle));
          holds.delete(owner);
          return freed;
        }),
      ),
    async inspect(name, kind) {
      const keys = await asked(() => admin.keys(`*${name.replace(/[*?[\]\\]/g, '\\$&')}`));
      const holder = { label: null, mode: 'exclusive', permits: 1, remainingMs: null, fencingToken: null };
      return { name, kind, held: keys.length > 0, holders: keys.length > 0 ? [holder] : [], waiters: null };
    },
    forceRelease: () => Promise.reject(new LockUnsupportedError(`${id} has no forced release`, { capability: 'list' })),
    checkHealth: async () => {},
    async close() {
      client.close();
      admin.disconnect();
    },
  };
}

/** For processes that the suite starts. */
export async function openClient(data, options) {
  return createLockManager(await openPeerBackend(data), options);
}
