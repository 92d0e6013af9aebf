import { randomBytes } from 'node:crypto';
import { type Clock, systemClock } from '@holdfast/core';
import { startZooKeeper, until, type ZooKeeperServer } from '@holdfast/test/servers';
import { connect, isLockError } from 'holdfast';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

let server: ZooKeeperServer;

beforeAll(async () => {
  server = await startZooKeeper();
});
afterAll(async () => {
  await server.close();
});

async function refusal(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => new Error('it was opened'),
    (error: unknown) => error,
  );
}

describe("connect('zookeeper://...')", () => {
  it('opens a manager whose tokens are never null, on the chroot of the URL', async () => {
    const chroot = `/app-${randomBytes(4).toString('hex')}`;
    const url = `zookeeper://127.0.0.1:1,127.0.0.1:${server.port}${chroot}`;
    const locks = await connect(`${url}?sessionTimeoutMs=6000&root=/locks&ttlMs=20000`, { require: ['fencing', 'fair'] });
    const other = await connect(url, { root: '/locks', sessionTimeoutMs: 6000 });
    expect(locks.backend).toBe('zookeeper');
    const lease = await locks.acquire('name');
    expect(lease.fencingToken).toBeTypeOf('bigint');
    expect(await other.tryAcquire('name')).toBeNull();
    expect((await other.inspect('name')).held).toBe(true);
    await Promise.all([locks.close(), other.close()]);
  });

  it('hands the clock to the session, whose heartbeats it times', async () => {
    const timers: number[] = [];
    const clock: Clock = {
      ...systemClock,
      setTimer(ms, fire) {
        timers.push(ms);
        return systemClock.setTimer(ms, fire);
      },
    };
    await using locks = await connect(server.url, { clock, sessionTimeoutMs: 4_000 });
    // Nothing is held, waits or is asked for: what is timed now is the session's own.
    const before = timers.length;
    await until('a heartbeat is due by this clock', () => timers.length > before, { timeoutMs: 20_000 });
    expect(locks.clock).toBe(clock);
  });

  it('says what is wrong and shows no password', async () => {
    const secret = 'secret-word';
    const wrong: readonly (readonly [() => Promise<unknown>, string])[] = [
      [() => connect(`zookeeper://me:${secret}@127.0.0.1:1`, { commandTimeoutMs: 300 }), 'LOCK_BACKEND_UNAVAILABLE'],
      [() => connect(`zookeeper://me:${secret}@127.0.0.1:x`), 'LOCK_INVALID_ARGUMENT'],
      [() => connect(`zookeeper://me:${secret}@127.0.0.1?rot=/x`), 'LOCK_INVALID_ARGUMENT'],
      [() => connect('zookeeper://127.0.0.1?acl=closed'), 'LOCK_INVALID_ARGUMENT'],
      [() => connect('zookeeper://127.0.0.1', { acl: 'creator' }), 'LOCK_INVALID_ARGUMENT'],
      [() => connect('zk://127.0.0.1'), 'LOCK_INVALID_ARGUMENT'],
    ];
    const unreached = await refusal(connect('zookeeper://127.0.0.1:1', { commandTimeoutMs: 500 }));
    expect(String(unreached)).toMatch(/ECONNREFUSED.*see whether the server runs/);
    for (const [open, code] of wrong) {
      const error = await refusal(open());
      if (!isLockError(error)) throw new Error('not one of ours', { cause: error });
      expect(error.code).toBe(code);
      expect(`${JSON.stringify(error)} ${error.stack} ${String(error.cause)}`).not.toContain(secret);
    }
  });
});
