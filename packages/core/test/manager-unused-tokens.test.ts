import { inspect } from 'node:util';
import { createMemoryLockManager } from '@holdfast/core/memory';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const warnings: string[] = [];
const listener = (warning: Error & { readonly code?: string }): void => {
  if (warning.code === 'HOLDFAST_UNUSED_TOKEN') warnings.push(warning.message.split(' was held')[0] ?? '');
};
/** Warnings are emitted in a later turn. */
const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

beforeEach(() => {
  warnings.length = 0;
  process.on('warning', listener);
});
afterEach(() => void process.removeListener('warning', listener));

describe('warnUnusedTokens', () => {
  it('warns once a name of locks and write locks whose token nobody read', async () => {
    await using locks = createMemoryLockManager({ warnUnusedTokens: true });
    const account = locks.readWriteLock('account');
    for (let times = 0; times < 2; times += 1) {
      await locks.withLock('a', () => {});
      await (await locks.acquire('a')).release();
      await account.write.withLock(() => {});
      await locks.withAll(['b', 'c'], (group) => void group.get('c').fencingToken);
      await (await locks.tryAcquireEach(['d'])).releaseAll();
    }
    await turn();
    expect(warnings).toEqual(['the lock "a"', 'the write lock "account"', 'the lock "b"', 'the lock "d"']);
  });

  it('warns of a lease that was lost', async () => {
    await using locks = createMemoryLockManager({ warnUnusedTokens: true });
    await locks.acquire('lost');
    await locks.forceRelease('lost');
    await turn();
    expect(warnings).toEqual(['the lock "lost"']);
  });

  it('does not warn of a lease that was passed on, nor twice of a group that its task has freed', async () => {
    await using locks = createMemoryLockManager({ warnUnusedTokens: true });
    void (await locks.adopt(await locks.detach(await locks.acquire('passed on')))).fencingToken;
    await locks.withAll(['a', 'b'], async (group) => void (await group.release()));
    await turn();
    expect(warnings).toEqual(['the lock "b"', 'the lock "a"']);
  });

  it('counts what reads it, and not what shows the lease', async () => {
    await using locks = createMemoryLockManager({ warnUnusedTokens: true });
    await locks.withLock('read', ({ fencingToken }) => expect(fencingToken).toBeTypeOf('bigint'));
    await locks.withLock('read twice', (lease) => expect(lease.fencingToken).toBe(lease.fencingToken));
    await locks.withLock('shown', async (lease) => {
      expect(JSON.parse(JSON.stringify(lease))).toMatchObject({ fencingToken: expect.stringMatching(/^\d+$/) as string });
      inspect(lease);
      await locks.inspect('shown');
    });
    await turn();
    expect(warnings).toEqual(['the lock "shown"']);
  });

  it('says nothing of permits and readers, nor where it is off', async () => {
    await using locks = createMemoryLockManager({ warnUnusedTokens: true });
    await locks.semaphore('s', { permits: 2 }).withPermits(() => {});
    await locks.readWriteLock('r').read.withLock(() => {});
    await locks.checkHealth();
    await using quiet = createMemoryLockManager();
    await quiet.withLock('a', () => {});
    await turn();
    expect(warnings).toEqual([]);
  });
});
