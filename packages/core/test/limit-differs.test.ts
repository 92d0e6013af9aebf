import { once } from 'node:events';
import { createLockManager, type LimitDiffersEvent, type LockManager } from '@holdfast/core';
import { createMemoryBackend, createMemoryStore } from '@holdfast/core/memory';
import { describe, expect, it, onTestFinished } from 'vitest';

const store = createMemoryStore();

function opened(): { readonly locks: LockManager; readonly seen: LimitDiffersEvent[] } {
  const seen: LimitDiffersEvent[] = [];
  const locks = createLockManager(createMemoryBackend({ store }), {
    onEvent: (event) => (event.type === 'limit-differs' ? seen.push(event) : undefined),
  });
  onTestFinished(() => locks.close());
  return { locks, seen };
}

describe('semaphores with different limits', () => {
  it('are warned of once a process, with the name of the first', async () => {
    const [older, newer] = [opened(), opened()];
    const warnings: (Error & { readonly code?: string })[] = [];
    const note = (warning: Error): void => void warnings.push(warning);
    process.on('warning', note);
    onTestFinished(() => void process.off('warning', note));
    const heard = once(process, 'warning');
    for (const name of ['first', 'second']) {
      await older.locks.semaphore(name, { permits: 2 }).acquire();
      await newer.locks.semaphore(name, { permits: 3 }).acquire();
    }
    await heard;
    expect(newer.seen.map(({ name }) => name)).toEqual(['first', 'second']);
    // Warnings are emitted in the next tick each: a second one would be here by now.
    await new Promise(setImmediate);
    const ours = warnings.filter(({ code }) => code === 'HOLDFAST_LIMIT_DIFFERS');
    expect(ours.map(({ name, message }) => [name, message.includes('"first"')])).toEqual([['HoldfastWarning', true]]);
  });

  it('are reported once a name and manager, with both numbers, whichever of them asks', async () => {
    const [older, newer] = [opened(), opened()];
    const hold = await older.locks.semaphore('x', { permits: 2 }).acquire();
    const others = newer.locks.semaphore('x', { permits: 4 });
    await others.acquire();
    await others.acquire();
    expect(await older.locks.semaphore('x', { permits: 2 }).tryAcquire()).toBeNull();
    expect(newer.seen).toMatchObject([{ kind: 'semaphore', name: 'x', label: null, limit: 4, holdersLimit: 2, backend: 'memory' }]);
    expect(older.seen).toMatchObject([{ name: 'x', limit: 2, holdersLimit: 4, managerId: older.locks.id }]);
    await hold.release();
    await others.acquire();
    expect(newer.seen).toHaveLength(1);
  });

  it('are reported to a manager that opens one name with two limits itself', async () => {
    const { locks, seen } = opened();
    await locks.semaphore('own', { permits: 2 }).acquire();
    await locks.semaphore('own', { permits: 3 }).acquire();
    expect(seen).toMatchObject([{ name: 'own', limit: 3, holdersLimit: 2 }]);
  });

  it('are of no concern once their holders have gone', async () => {
    const [older, newer] = [opened(), opened()];
    await (await older.locks.semaphore('gone', { permits: 2 }).acquire()).release();
    await newer.locks.semaphore('gone', { permits: 3 }).acquire();
    expect(newer.seen).toEqual([]);
  });
});
