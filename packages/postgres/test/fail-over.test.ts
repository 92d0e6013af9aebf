import { connect, createServer, type Server, type Socket } from 'node:net';
import { createLockManager, isLockError, type LockManager } from '@holdfast/core';
import { createPostgresBackend } from '@holdfast/postgres';
import { newName } from '@holdfast/test/backend';
import { type PostgresWithStandby, startPostgresWithStandby, until } from '@holdfast/test/servers';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

let servers: PostgresWithStandby;
let address: Server;
let target = 0;
const managers: LockManager[] = [];

/** One address for whichever server it leads to, as a failover address does. */
function addressOf(): Server {
  return createServer((client: Socket) => {
    const upstream = connect({ port: target, host: '127.0.0.1' });
    client.pipe(upstream).pipe(client);
    for (const socket of [client, upstream]) {
      socket.on('error', () => {});
      socket.on('close', () => {
        client.destroy();
        upstream.destroy();
      });
    }
  });
}

beforeAll(async () => {
  servers = await startPostgresWithStandby();
  target = servers.primary.port;
  address = addressOf();
  await new Promise<void>((resolve) => address.listen(0, '127.0.0.1', resolve));
});
afterAll(async () => {
  await Promise.all(managers.map((locks) => locks.close()));
  address?.close();
  await servers?.close();
});

function manager(connectionString: string): LockManager {
  const locks = createLockManager(createPostgresBackend({ connectionString }), { unavailableAfterMs: 20_000 });
  managers.push(locks);
  return locks;
}

describe('a fail-over', () => {
  it('ends leases at once; a standby is refused until it is promoted; then the same manager gets higher tokens', async () => {
    const { port } = address.address() as { readonly port: number };
    const locks = manager(servers.primary.url.replace(`:${servers.primary.port}`, `:${port}`));
    const name = newName();
    const lease = await locks.acquire(name);
    const standby = new pg.Client({ connectionString: servers.standby.url });
    await standby.connect();
    await until('the standby has what was made', async () => {
      const { rows } = await standby.query(`select 1 from pg_class where relname = 'fence'`);
      return rows.length === 1;
    });

    target = servers.standby.port;
    await servers.primary.kill();
    await until('the loss is reported', () => lease.signal.aborted, { timeoutMs: 2_000 });
    expect(lease.signal.reason).toMatchObject({ reason: 'session' });
    const error: unknown = await locks.tryAcquire(name).catch((reason: unknown) => reason);
    expect(isLockError(error, 'LOCK_BACKEND_UNAVAILABLE') && [error.retryable, error.message]).toEqual([
      true,
      expect.stringContaining('standby'),
    ]);
    expect(await locks.checkHealth()).toMatchObject({ ok: false });

    // One that waits meanwhile rides it out.
    const waiting = locks.acquire(name, { waitMs: 20_000 });
    await standby.query('select pg_promote()');
    const next = await waiting;
    expect(next.fencingToken).toBeGreaterThan(lease.fencingToken ?? 0n);
    expect(await next.release()).toBe(true);
    await standby.end();
  });
});
