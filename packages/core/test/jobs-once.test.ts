import { createMemoryLockManager } from '@holdfast/core/memory';
import { createJobLockManager } from '@holdfast/core/jobs';
import { createMemoryStore } from '@holdfast/core/testing';
import { describe, expect, it } from 'vitest';

describe('runOnce', () => {
  it('runs a task once a window over all instances', async () => {
    const store = createMemoryStore();
    await using here = createMemoryLockManager({ store: store.peer() });
    await using there = createMemoryLockManager({ store: store.peer() });
    const ran: string[] = [];
    const runs = await Promise.all(
      [here, there].map((locks, index) =>
        createJobLockManager(locks).runOnce('statistics', { windowMs: 60_000 }, async (lease) => {
          ran.push(`${index}`);
          expect(lease.fencingToken).toBeTypeOf('bigint');
          return index;
        }),
      ),
    );
    expect(ran).toHaveLength(1);
    expect(runs).toContainEqual({ ran: true, value: Number(ran[0]) });
    const again = await createJobLockManager(here).runOnce('statistics', { windowMs: 60_000 }, () => ran.push('again'));
    expect(again).toEqual({ ran: false, because: 'not-due' });
  });
});

describe('processOnce', () => {
  it('processes a message once, and says when another consumer has it', async () => {
    const store = createMemoryStore();
    await using here = createMemoryLockManager({ store: store.peer() });
    await using there = createMemoryLockManager({ store: store.peer() });
    const first = await createJobLockManager(here).processOnce('order:7', async () => {
      expect(await createJobLockManager(there).processOnce('order:7', () => 2)).toEqual({ ran: false, because: 'busy' });
      return 1;
    });
    expect(first).toEqual({ ran: true, value: 1 });
    expect(await createJobLockManager(there).processOnce('order:7', () => 3)).toEqual({ ran: false, because: 'done' });
    expect(await createJobLockManager(there).processOnce('order:7', { consumer: 'mailer' }, () => 4)).toEqual({ ran: true, value: 4 });
  });
});
