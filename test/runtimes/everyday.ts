import { strict as assert } from 'node:assert';
import { randomBytes } from 'node:crypto';
import { argv, stdout } from 'node:process';
import { isLockError, type LockManager } from '@holdfast/core';
import { createMemoryLockManager, createMemoryStore } from '@holdfast/core/memory';
import { createPostgresLockManager } from '@holdfast/postgres';
import { type BunRedisClient, createRedisLockManager } from '@holdfast/redis';
import { createRedlockLockManager } from '@holdfast/redlock';
import { createZooKeeperLockManager } from '@holdfast/zookeeper';

// What locks do every day, on the store of a URL: run by `pnpm test:runtimes` on every runtime that there is. Ends with 1 and says why. Nothing in
// here depends on how fast the machine is: every wait ends by an event, and has minutes for it.

const WAIT = { waitMs: 60_000 };
const OPTIONS = { ttlMs: 60_000, commandTimeoutMs: 30_000 };

/** Under Bun, and where it is asked for: Bun's own client, which the caller would have. */
function bunClient(url: string): BunRedisClient {
  const { Bun: bun } = globalThis as { readonly Bun?: { readonly RedisClient: new (url: string) => BunRedisClient } };
  assert.ok(bun !== undefined, 'this is not Bun');
  return new bun.RedisClient(url);
}

function opener(url: string): () => LockManager {
  if (url.startsWith('bun+redis:')) {
    const client = bunClient(url.slice('bun+'.length));
    return () => createRedisLockManager({ ...OPTIONS, client });
  }
  if (url.startsWith('redis:')) return () => createRedisLockManager({ ...OPTIONS, url });
  if (url.startsWith('postgres:')) return () => createPostgresLockManager({ ...OPTIONS, connectionString: url });
  const [, scheme, hosts = ''] = /^(redlock|zookeeper):\/\/(.+)$/.exec(url) ?? [];
  if (scheme === 'redlock') {
    const urls = hosts.split(',').map((host) => `redis://${host}`);
    return () => createRedlockLockManager({ ...OPTIONS, urls });
  }
  if (scheme === 'zookeeper') return () => createZooKeeperLockManager({ ...OPTIONS, connectionString: hosts });
  assert.equal(url, 'memory:');
  const store = createMemoryStore();
  return () => createMemoryLockManager({ ...OPTIONS, store });
}

const newName = (): string => `runtimes-${randomBytes(8).toString('hex')}`;

async function locksExclude(one: LockManager, other: LockManager): Promise<void> {
  const name = newName();
  const held = await one.acquire(name);
  assert.equal(await other.tryAcquire(name), null);
  const waiting = other.acquire(name, WAIT);
  await held.extend();
  assert.equal(await held.release(), true);
  const next = await waiting;
  assert.ok(next.fencingToken !== null && held.fencingToken !== null && next.fencingToken > held.fencingToken);
  assert.equal((await one.inspect(name)).held, true);
  assert.equal(await next.release(), true);
  assert.equal((await one.inspect(name)).held, false);
}

async function tasksRunOneByOne(one: LockManager, other: LockManager): Promise<void> {
  const name = newName();
  let running = 0;
  let most = 0;
  const task = async (): Promise<void> => {
    running += 1;
    most = Math.max(most, running);
    await new Promise((resolve) => setImmediate(resolve));
    running -= 1;
  };
  await Promise.all(Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? one : other).withLock(name, WAIT, task)));
  assert.equal(most, 1);
  await assert.rejects(
    one.withLock(name, WAIT, async () => void (await one.acquire(name))),
    (error) => isLockError(error, 'LOCK_REENTRY'),
  );
}

async function permitsAndReadersShare(one: LockManager, other: LockManager): Promise<void> {
  const name = newName();
  const permits = [one, other].map((locks) => locks.semaphore(name, { permits: 2 }));
  const taken = await Promise.all(permits.map((each) => each.acquire(WAIT)));
  assert.equal(await permits[0]?.tryAcquire(), null);
  for (const permit of taken) assert.equal(await permit.release(), true);

  const readers = await Promise.all([one, other].map((locks) => locks.readWriteLock(name).read.acquire(WAIT)));
  const writing = other.readWriteLock(name).write.acquire(WAIT);
  for (const reader of readers) assert.equal(await reader.release(), true);
  assert.equal(await (await writing).release(), true);
}

async function waitsEnd(one: LockManager, other: LockManager): Promise<void> {
  const name = newName();
  const held = await one.acquire(name);
  await assert.rejects(other.acquire(name, { waitMs: 20 }), (error) => isLockError(error, 'LOCK_TIMEOUT'));
  const controller = new AbortController();
  const aborted = other.acquire(name, { ...WAIT, signal: controller.signal });
  controller.abort(new Error('enough'));
  await assert.rejects(aborted, /enough/);
  assert.equal(await held.release(), true);
}

async function closingLosesWhatIsHeld(open: () => LockManager): Promise<void> {
  const [locks, others] = [open(), open()];
  const name = newName();
  const held = await locks.acquire(name);
  await locks.close();
  assert.equal(held.signal.aborted, true);
  assert.ok(isLockError(held.signal.reason, 'LOCK_LOST'));
  assert.equal(await (await others.acquire(name, WAIT)).release(), true);
  await others.close();
}

const open = opener(argv[2] ?? 'memory:');
const [one, other] = [open(), open()];
assert.equal((await one.checkHealth()).ok, true);
await locksExclude(one, other);
await tasksRunOneByOne(one, other);
await permitsAndReadersShare(one, other);
await waitsEnd(one, other);
await Promise.all([one.close(), other.close()]);
await closingLosesWhatIsHeld(open);
stdout.write('locks work here\n');
