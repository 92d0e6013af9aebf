import { strict as assert } from 'node:assert';
import { randomBytes } from 'node:crypto';
import { argv, exit, stdout } from 'node:process';
import { createLockManager, isLockError, type LockBackend, type LockManager } from '@holdfast/core';
import { injectFaults, runConformance } from '@holdfast/core/conformance';
import { type BunRedisClient, createRedisBackend, createRedisLockManager } from '@holdfast/redis';

// What only Bun's own client can get wrong, on the Redis of a URL, and the conformance suite: run by `pnpm test:runtimes` under Bun, whose
// globals it needs. Ends with 1 and says why.

interface Bun {
  readonly RedisClient: new (url: string, options?: object) => BunRedisClient;
}

const { Bun: bun } = globalThis as { readonly Bun?: Bun };
if (bun === undefined) throw new Error('this is not Bun');
const [, , url = ''] = argv;
const WAIT = { waitMs: 60_000 };
const OPTIONS = { ttlMs: 60_000, commandTimeoutMs: 30_000 };
const newName = (): string => `runtimes-${randomBytes(8).toString('hex')}`;
const newClient = (to = url, options = {}): BunRedisClient => new bun.RedisClient(to, options);

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 60_000;
  // oxlint-disable-next-line no-await-in-loop
  while (!(await isSo())) assert.ok(performance.now() < end, `within a minute: ${what}`);
}

const code =
  (wanted: string) =>
  (error: unknown): boolean =>
    isLockError(error) && error.code === wanted;

/** Both connections that a manager has are ended by the server, behind the back of the client. */
async function lostConnectionsAreNoticed(): Promise<void> {
  const [client, admin] = [newClient(), newClient()];
  const locks = createRedisLockManager({ ...OPTIONS, client });
  const others = createRedisLockManager({ ...OPTIONS, client: admin });
  const name = newName();
  const held = await others.acquire(name);
  const waiting = locks.acquire(name, WAIT);
  await until('it waits', async () => (await others.inspect(name)).waiters === 1);
  await admin.send('CLIENT', ['KILL', 'TYPE', 'pubsub']);
  await admin.send('CLIENT', ['KILL', 'TYPE', 'normal', 'SKIPME', 'yes']);
  await held.release();
  await (await waiting).release();
  await Promise.all([locks.close(), others.close()]);
  assert.equal(await client.send('PING', []), 'PONG', 'the client is still the user’s');
  for (const each of [client, admin]) each.close();
}

async function aClosedClientIsUnavailable(): Promise<void> {
  const client = newClient();
  const locks = createRedisLockManager({ client });
  assert.deepEqual(await locks.checkHealth().then(({ ok, driver }) => ({ ok, driver })), { ok: true, driver: 'bun' });
  client.close();
  await assert.rejects(locks.tryAcquire(newName()), code('LOCK_BACKEND_UNAVAILABLE'));
  await locks.close();
}

async function aClientWithoutConnectionSaysSo(): Promise<void> {
  // Nothing listens on port 1.
  const client = newClient('redis://127.0.0.1:1', { autoReconnect: false, enableOfflineQueue: false });
  const locks = createRedisLockManager({ client });
  const saysSo = (error: unknown): boolean => isLockError(error, 'LOCK_BACKEND_UNAVAILABLE') && /has no connection/.test(error.message);
  await assert.rejects(locks.tryAcquire(newName()), saysSo);
  await locks.close();
  client.close();
}

async function aClientThatListensServes(): Promise<void> {
  const client = newClient() as BunRedisClient & { subscribe(channel: string, listener: () => void): Promise<unknown> };
  await client.subscribe(newName(), () => {});
  const locks = createRedisLockManager({ ...OPTIONS, client });
  await (await locks.acquire(newName())).release();
  await locks.close();
  client.close();
}

async function refusalsAreReported(): Promise<void> {
  const client = newClient();
  const locks = createRedisLockManager({ ...OPTIONS, client, prefix: '' });
  const name = newName();
  await client.send('LPUSH', [name, 'x']);
  await assert.rejects(locks.tryAcquire(name), (error) => isLockError(error, 'LOCK_BACKEND_UNAVAILABLE') && !error.retryable);
  await client.send('DEL', [name]);
  await locks.close();
  client.close();
}

/** The suite, with a gate before the backend. */
async function conformance(): Promise<void> {
  const admin = newClient();
  const report = await runConformance({
    name: "Redis through Bun's own client",
    faults: ['disconnect', 'reconnect', 'freeze', 'thaw', 'loseNextReply', 'requests', 'residue', 'openBackend'],
    async setup(options) {
      const prefix = `c-${randomBytes(6).toString('hex')}:`;
      const opened: { readonly client: BunRedisClient; readonly backend: LockBackend<bigint> }[] = [];
      const managers: LockManager<bigint>[] = [];
      const open = async (): Promise<LockBackend<bigint>> => {
        const client = newClient();
        await client.send('PING', []);
        const backend = createRedisBackend({ client, prefix });
        opened.push({ client, backend });
        return backend;
      };
      const managerOf = (backend: LockBackend<bigint>, own: object): LockManager<bigint> => {
        const manager = createLockManager(backend, own);
        managers.push(manager);
        return manager;
      };
      const { backend, faults } = injectFaults(await open());
      return {
        manager: managerOf(backend, options),
        peer: async (own) => managerOf(await open(), own ?? {}),
        faults: {
          ...faults,
          residue: async () => (await admin.send('KEYS', [`*${prefix}*`])) as readonly string[],
          openBackend: open,
        },
        async close() {
          await Promise.all(managers.map((manager) => manager.close()));
          await Promise.all(opened.map((each) => each.backend.close()));
          for (const { client } of opened) client.close();
        },
      };
    },
  });
  admin.close();
  const failed = report.cases.filter(({ ok }) => !ok);
  for (const { id, error } of failed) stdout.write(`${id}: ${error}\n`);
  stdout.write(`${report.cases.filter(({ status }) => status === 'passed').length} cases passed\n`);
  assert.equal(failed.length, 0);
}

await lostConnectionsAreNoticed();
await aClosedClientIsUnavailable();
await aClientWithoutConnectionSaysSo();
await aClientThatListensServes();
await refusalsAreReported();
await conformance();
stdout.write("locks work with Bun's own client\n");
exit(0);
