import { type RedisNodes, startRedisNodes } from '@holdfast/test/servers';
import { connect, isLockError } from 'holdfast';
import { initializeNodes } from 'holdfast/redlock';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

let started: RedisNodes;

beforeAll(async () => {
  started = await startRedisNodes(3);
  await initializeNodes({ urls: started.urls });
});
afterAll(async () => {
  await started.close();
});

describe("connect('redlock://...')", () => {
  it('opens a manager on a majority of the nodes, with options in the URL', async () => {
    const hosts = started.nodes.map(({ port }) => `127.0.0.1:${port}`).join(',');
    const locks = await connect(`redlock://${hosts}?prefix=app:&nodeTimeoutMs=900&ttlMs=20000`, { require: ['fencing', 'marks'] });
    const other = await connect(`redlock://${hosts}`, { prefix: 'app:', driftFactor: 0.02 });
    expect(locks.backend).toBe('redlock');
    const lease = await locks.acquire('name');
    expect(lease.fencingToken).toBeTypeOf('bigint');
    expect(await other.tryAcquire('name')).toBeNull();
    await lease.release();
    const health = await locks.checkHealth();
    expect(health.nodes?.map(({ up, quarantinedForMs, problem }) => ({ up, quarantinedForMs, problem }))).toEqual(
      Array.from({ length: 3 }, () => ({ up: true, quarantinedForMs: 0, problem: null })),
    );
    await Promise.all([locks.close(), other.close()]);
  });

  it('says what is wrong and shows no password', async () => {
    const secret = 'secret-word';
    const wrong: readonly (readonly [() => Promise<unknown>, string])[] = [
      [() => connect(`redlock://me:${secret}@127.0.0.1:1,127.0.0.1:2`, { commandTimeoutMs: 300 }), 'LOCK_BACKEND_UNAVAILABLE'],
      [() => connect(`redlock://me:${secret}@127.0.0.1:x`), 'LOCK_INVALID_ARGUMENT'],
      [() => connect(`redlock://me:${secret}@127.0.0.1:1,127.0.0.1:1`), 'LOCK_INVALID_ARGUMENT'],
      [() => connect(`redlock://me:${secret}@127.0.0.1:1,,127.0.0.1:2`), 'LOCK_INVALID_ARGUMENT'],
      [() => connect(`redlock://:${secret}@127.0.0.1:1,127.0.0.1:2,127.0.0.1:3?quorum=1`), 'LOCK_INVALID_ARGUMENT'],
      [() => connect('redlock://127.0.0.1:1,127.0.0.1:2', { fair: true } as object), 'LOCK_INVALID_ARGUMENT'],
    ];
    for (const [open, code] of wrong) {
      const error = await open().then(
        () => new Error('it was opened'),
        (reason: unknown) => reason,
      );
      if (!isLockError(error)) throw new Error('not one of ours', { cause: error });
      expect(error.code).toBe(code);
      expect(`${JSON.stringify(error)} ${error.stack} ${String(error.cause)}`).not.toContain(secret);
    }
  });
});
