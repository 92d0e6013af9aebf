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
  const peer = peers.find((each) => each.id === id);
  const client = await peer.open(require, nodes, Redis, load);
  const isHeld = client.isHeld ?? (await keysOn(new Redis({ ...nodes.at(-1), maxRetriesPerRequest: 1 }), client));
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
      expiry: peer.expiry ?? 'ttl',
    },
    attempt: (requests) =>
      Promise.all(
        requests.map(async ({ name, owner, mode, ttlMs }) => {
          if (mode !== 'exclusive') throw new LockUnsupportedError('locks only', { capability: 'semaphores' });
          const until = performance.now() + ttlMs;
          const hold = holds.get(owner) ?? { handle: await asked(() => client.acquire(name, ttlMs)), until };
          if (hold.handle === null) return { granted: false, remainingMs: null };
          holds.set(owner, hold);
          return { granted: true, fencingToken: null };
        }),
      ),
    renew: (refs) =>
      Promise.all(
        refs.map(async ({ owner, ttlMs }) => {
          const hold = holds.get(owner);
          if (hold === undefined) return false;
          // To extend is to set the time anew in all of them: a renewal that only looks whether the hold stands must not shorten it.
          const ms = Math.max(ttlMs, Math.ceil(hold.until - performance.now()));
          const until = performance.now() + ms;
          const extended = await asked(() => client.extend(hold.handle, ms));
          if (extended === false) return false;
          // Some answer the hold anew.
          holds.set(owner, { handle: typeof extended === 'object' && extended !== null ? extended : hold.handle, until });
          return true;
        }),
      ),
    release: (refs) =>
      Promise.all(
        refs.map(async ({ owner }) => {
          const hold = holds.get(owner);
          if (hold === undefined) return false;
          const freed = await asked(() => client.release(hold.handle));
          holds.delete(owner);
          return freed;
        }),
      ),
    async inspect(name, kind) {
      const held = await asked(() => isHeld(name));
      const holder = { label: null, mode: 'exclusive', permits: 1, remainingMs: null, fencingToken: null };
      return { name, kind, held, holders: held ? [holder] : [], waiters: null };
    },
    forceRelease: () => Promise.reject(new LockUnsupportedError(`${id} has no forced release`, { capability: 'list' })),
    checkHealth: async () => {},
    async close() {
      client.close();
    },
  };
}

/** A look at a server of Redis: whether any key ends with the name. */
async function keysOn(admin, client) {
  admin.on('error', () => {});
  const { close } = client;
  client.close = () => {
    close();
    admin.disconnect();
  };
  return async (name) => (await admin.keys(`*${name.replace(/[*?[\]\\]/g, '\\$&')}`)).length > 0;
}

/** For processes that the suite starts. */
export async function openClient(data, options) {
  return createLockManager(await openPeerBackend(data), options);
}
