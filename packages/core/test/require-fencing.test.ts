import { requireFencing } from '@holdfast/core';
import { createMemoryLockManager } from '@holdfast/core/memory';
import { adaptLegacyLock } from '@holdfast/core/migration';
import { describe, expect, it } from 'vitest';
import { ClientLocks } from './legacy/legacy-locks.js';

describe('requireFencing', () => {
  it('gives the manager itself, whose tokens are never null', async () => {
    await using manager = createMemoryLockManager();
    const fenced = requireFencing(manager);
    expect(fenced).toBe(manager);
    const token: bigint = await fenced.withLock('x', ({ fencingToken }) => fencingToken);
    expect(token).toBeTypeOf('bigint');
  });

  it('refuses one whose backend has no tokens', async () => {
    await using manager = adaptLegacyLock(new ClientLocks());
    expect(() => requireFencing(manager)).toThrow(
      expect.objectContaining({ code: 'LOCK_UNSUPPORTED', capability: 'fencing', backend: 'clients' }),
    );
  });
});
