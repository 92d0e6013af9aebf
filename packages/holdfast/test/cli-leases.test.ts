import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  type PostgresServer,
  type RedisNodes,
  type RedisServer,
  startPostgres,
  startRedis,
  startRedisNodes,
  until,
} from '@holdfast/test/servers';
import { Redis } from 'ioredis';
import { connect, isLockError, type LockManager } from 'holdfast';
import { initializeNodes } from 'holdfast/redlock';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { callCli } from './captured-output.js';
import { runCli, temporaryFolder } from './cli-process.js';

let redis: RedisServer;
let nodes: RedisNodes;
let postgres: PostgresServer;
let locks: LockManager;

beforeAll(async () => {
  [redis, nodes, postgres] = await Promise.all([startRedis(), startRedisNodes(3), startPostgres()]);
  await initializeNodes({ urls: nodes.urls });
  locks = await connect(redis.url, { commandTimeoutMs: 10_000 });
});
afterAll(async () => {
  await locks?.close();
  await Promise.all([redis?.close(), nodes?.close(), postgres?.close()]);
});

const patience = 'commandTimeoutMs=10000';
const urls = {
  redis: () => `${redis.url}?${patience}`,
  redlock: () => `redlock://${nodes.nodes.map(({ port }) => `127.0.0.1:${port}`).join(',')}?${patience}&nodeTimeoutMs=5000`,
  'postgres, table': () => `${postgres.url}?strategy=table&${patience}`,
  'postgres, advisory': () => `${postgres.url}?${patience}`,
};

type Step = (args: readonly string[], url: string, lease?: string) => Promise<{ readonly code: number | null; readonly stdout: string }>;

/** As people do it; and in this process, which is quicker: each still has a manager and connections of its own. */
const process: Step = (args, url, lease) => runCli(args, { url, env: { HOLDFAST_LEASE: lease } });
const call: Step = ([command = '', ...args], url, lease) =>
  callCli([command, '--url', url, ...args, ...(lease === undefined ? [] : [lease])]);

describe.each([
  ['redis', process],
  ['redlock', call],
  ['postgres, table', call],
] as const)('a lease on %s', (store, step) => {
  it('spans the steps of a script: acquired, renewed under the same token, freed', async () => {
    const [name, url] = [randomUUID(), urls[store]()];
    const acquired = await step(['acquire', name, '--ttl', '30s', '--label', 'the script', '--json'], url);
    expect(acquired.code).toBe(0);
    const { lease, fencingToken } = JSON.parse(acquired.stdout) as { lease: string; fencingToken: string };
    await using peer = await connect(url);
    const [holder] = (await peer.inspect(name)).holders;
    expect(holder).toMatchObject({ label: 'the script', fencingToken: BigInt(fencingToken) });

    expect(await step(['renew', '--ttl', '50s'], url, lease)).toMatchObject({ code: 0, stdout: '' });
    const [renewed] = (await peer.inspect(name)).holders;
    expect(renewed?.fencingToken).toBe(BigInt(fencingToken));
    expect(renewed?.remainingMs).toBeGreaterThan(32_000);
    expect(await peer.tryAcquire(name)).toBeNull();

    expect(await step(['free'], url, lease)).toMatchObject({ code: 0, stdout: '' });
    const next = await peer.tryAcquire(name);
    expect(next?.fencingToken).toBeGreaterThan(BigInt(fencingToken));
    // Its time is over: it frees nothing of the next holder's.
    const late = await callCli(['free', lease, '--url', url]);
    expect(late.code).toBe(79);
    expect(late.stderr).toMatch(/ is lost/);
    expect((await peer.inspect(name)).held).toBe(true);
    await next?.release();
  });

  it('passes by the API too, of either side of a read/write lock', async () => {
    await using first = await connect(urls[store]());
    await using second = await connect(urls[store]());
    const { read, write } = first.readWriteLock(randomUUID());
    for (const side of [read, write]) {
      const lease = await second.adopt(await first.detach(await side.acquire()));
      expect(lease).toMatchObject({ kind: 'read-write', mode: side === read ? 'read' : 'write', isHeld: true });
      expect(await write.tryAcquire()).toBeNull();
      await lease.extend(40_000);
      expect(await lease.release()).toBe(true);
    }
  });
});

describe('a lease on redlock', () => {
  it('stands on a majority: also where a node has lost its vote, and not where two of three have', async () => {
    await using first = await connect(urls.redlock());
    await using second = await connect(urls.redlock());
    const clients = nodes.urls.map((url) => new Redis(url, { lazyConnect: false }));
    try {
      const ticket = await first.detach(await first.acquire(randomUUID()));
      const key = `holdfast:${ticket.name}`;
      const [one, two] = clients;
      // Two of them decide; the third may hear of it a little later.
      const allHaveIt = (): Promise<void> =>
        until('all have it', async () => (await Promise.all(clients.map((client) => client.exists(key)))).every((count) => count === 1));
      await allHaveIt();
      expect(await one?.del(key)).toBe(1);
      const adopted = await second.adopt(ticket, { renew: false });
      expect(await first.tryAcquire(ticket.name)).toBeNull();
      // The renewal has put it back there, where it counts the next time.
      await allHaveIt();
      const again = await second.detach(adopted);
      expect(await one?.del(key)).toBe(1);
      expect(await two?.del(key)).toBe(1);
      const lost: unknown = await first.adopt(again).catch((error: unknown) => error);
      expect(isLockError(lost, 'LOCK_LOST')).toBe(true);
      // What the third node still had of it is freed, so that the next one need not wait for its time.
      const next = await second.acquire(ticket.name, { waitMs: 20_000 });
      expect(next.fencingToken).toBeGreaterThan(BigInt(ticket.fencingToken ?? 0));
      await next.release();
    } finally {
      for (const client of clients) client.disconnect();
    }
  });

  it('is not to be had of permits, whose slots only their holder knows', async () => {
    await using first = await connect(urls.redlock());
    const semaphore = first.semaphore(randomUUID(), { permits: 2 });
    const permits = await semaphore.acquire();
    const refused: unknown = await first.detach(permits).catch((error: unknown) => error);
    expect(isLockError(refused, 'LOCK_UNSUPPORTED')).toBe(true);
    expect(permits.isHeld).toBe(true);
    await permits.release();
  });
});

describe('holdfast acquire', () => {
  it('prints one word that every shell leaves alone, and none when somebody else has the lock', async () => {
    const name = `it's "${randomUUID()}" $HOME`;
    const { code, stdout } = await runCli(['acquire', name], { url: urls.redis() });
    expect(code).toBe(0);
    expect(stdout).toMatch(/^hf1_[\w-]+\n$/);
    expect(await callCli(['acquire', name, '--url', urls.redis()])).toMatchObject({ code: 75, stdout: '' });
    expect((await callCli(['acquire', name, '--busy-code', '9', '--url', urls.redis()])).code).toBe(9);
    using folder = temporaryFolder();
    const file = join(folder.path, 'lease');
    writeFileSync(file, stdout);
    expect((await runCli(['free'], { url: urls.redis(), env: { HOLDFAST_LEASE_FILE: file } })).code).toBe(0);
    expect((await locks.inspect(name)).held).toBe(false);
  });

  it.each([
    ['PostgreSQL with advisory locks', () => urls['postgres, advisory'](), /ends with the command/],
    ['memory:', () => 'memory:', /ends with the command/],
  ])('is refused on %s, where the lock would end with the command, and takes nothing', async (_, urlOf, message) => {
    const { code, stdout, stderr } = await callCli(['acquire', 'x', '--url', urlOf()]);
    expect({ code, stdout }).toEqual({ code: 64, stdout: '' });
    expect(stderr).toMatch(message);
  });
});

describe('holdfast renew and free', () => {
  it.each([
    ['no lease', undefined],
    ['a name', 'deploy'],
    ['a lease that was cut', 'hf1_eyJuYW1lIjo'],
    ['a lease that was changed', `hf1_${Buffer.from(JSON.stringify({ name: 'x', owner: 'SECRET' })).toString('base64url')}`],
  ])('refuse %s with 64, and do not show it', async (_, lease) => {
    const { code, stderr } = await callCli(['free', '--url', urls.redis(), ...(lease === undefined ? [] : [lease])]);
    expect(code).toBe(64);
    expect(stderr).toMatch(/^[^\n]+\n$/);
    expect(stderr).not.toMatch(/SECRET|hf1_e/);
  });
});
