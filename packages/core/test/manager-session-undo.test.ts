import { createLockManager, LockUnavailableError } from '@holdfast/core';
import { createMemoryBackend } from '@holdfast/core/memory';
import { expect, it } from 'vitest';
import { altered } from './mutants/mutant.js';

it('a hold of a session whose release is not answered is released again past its ttl: nothing else ends it', async () => {
  const backend = createMemoryBackend();
  const answered: string[] = [];
  let isReachable = false;
  const session = altered(backend, {
    capabilities: { ...backend.capabilities, expiry: 'session' },
    async release(holds, call) {
      if (!isReachable) throw new LockUnavailableError('out of reach');
      answered.push(...holds.map(({ name }) => name));
      return backend.release(holds, call);
    },
  });
  const manager = createLockManager(session);
  const lease = await manager.acquire('lock', { ttlMs: 60 });
  const released = performance.now();
  await expect(lease.release()).rejects.toMatchObject({ code: 'LOCK_BACKEND_UNAVAILABLE' });
  await expect.poll(() => performance.now() - released, { interval: 20 }).toBeGreaterThan(300);
  isReachable = true;
  await expect.poll(() => answered, { timeout: 5000 }).toEqual(['lock']);
  await manager.close();
});
