import { createLockManager, requireFencing } from '@holdfast/core';
import { createMemoryLockManager } from '@holdfast/core/memory';
import { describe, expect, it } from 'vitest';
import { createMapBackend, createMapStore } from './third-party/map-backend.js';

describe('requireFencing', () => {
  it('gives the manager itself, whose tokens are never null', async () => {
    await using manager = createMemoryLockManager();
    const fenced = requireFencing(manager);
    expect(fenced).toBe(manager);
    const token: bigint = await fenced.withLock('x', ({ fencingToken }) => fencingToken);
    expect(token).toBeTypeOf('bigint');
  });

  it('refuses one whose backend has no tokens', async () => {
    const backend = createMapBackend(createMapStore());
    await using manager = createLockManager({ ...backend, capabilities: { ...backend.capabilities, fencing: false } });
    expect(() => requireFencing(manager)).toThrow(
      expect.objectContaining({ code: 'LOCK_UNSUPPORTED', capability: 'fencing', backend: 'map' }),
    );
  });
});
