import { connect, createLockManager, isLockError, type LockManager, managerOptionRules } from 'holdfast';
import { createJobLockManager, createJobSemaphore } from 'holdfast/jobs';
import { createMemoryBackend, createMemoryLockManager, createMemoryStore } from 'holdfast/memory';
import { adaptLegacyLock, createMigratingLockManager } from 'holdfast/migration';
import { createPostgresBackend, createPostgresLockManager, type PostgresBackendOptions, postgresSchemaSql } from 'holdfast/postgres';
import { createRedisBackend, createRedisLockManager } from 'holdfast/redis';
import { createRedlockBackend, createRedlockLockManager } from 'holdfast/redlock';
import { createManualClock } from 'holdfast/testing';
import { createZooKeeperBackend, createZooKeeperLockManager } from 'holdfast/zookeeper';
import { describe, expect, it } from 'vitest';

type Options = Readonly<Record<string, unknown>>;

/** How options may come: each a value of its own, by whose hand it is read is counted. */
const shapes: Readonly<Record<string, (options: Options, read: (key: string) => unknown) => object>> = {
  'getters of its own': (options, read) => withGetters({}, options, read, true),
  'hidden getters of its own': (options, read) => withGetters({}, options, read, false),
  'inherited values': (options, read) => Object.create(withGetters({}, options, read, true)) as object,
  'getters of a class': (options, read) => Object.create(withGetters({}, options, read, false)) as object,
};

function withGetters(target: object, options: Options, read: (key: string) => unknown, enumerable: boolean): object {
  for (const key of Object.keys(options)) Object.defineProperty(target, key, { get: () => read(key), enumerable });
  return target;
}

const manager: Options = {
  ttlMs: 5000,
  renew: true,
  maxHoldMs: 60_000,
  label: 'me',
  waitMs: 1000,
  commandTimeoutMs: 500,
  unavailableAfterMs: 500,
  onEvent: () => {},
  warnUnusedTokens: false,
  clock: createManualClock(),
};
const memory = { store: createMemoryStore(), fair: true };
const redis = { url: 'redis://127.0.0.1:1', prefix: 'a:', fair: true, replicas: { min: 1 }, allowEviction: true, driverOptions: {} };
const redlock = {
  urls: ['redis://127.0.0.1:1', 'redis://127.0.0.1:2', 'redis://127.0.0.1:3'],
  quorum: 2,
  maxTtlMs: 5000,
  driftFactor: 0.1,
  nodeTimeoutMs: 100,
  prefix: 'a:',
  allowEviction: true,
  driverOptions: {},
};
const advisory = {
  connectionString: 'postgres://127.0.0.1:1/d',
  strategy: 'advisory',
  schema: 's',
  namespace: 'n',
  pooler: 'session',
  sessionMs: 5000,
  keyOf: () => undefined,
  driverOptions: {},
};
const table = { connectionString: 'postgres://127.0.0.1:1/d', strategy: 'table', shedLockTable: 'locks' };
const legacyMethods = {
  tryLock: () => true,
  unlock: () => {},
  isLocked: () => false,
  isHeld: () => true,
  forceUnlock: () => {},
  undo: () => {},
  close: () => {},
};
const zookeeper = {
  connectionString: '127.0.0.1:1',
  sessionTimeoutMs: 5000,
  root: '/r',
  auth: { scheme: 'digest', credentials: 'u:p' },
  acl: 'creator',
};

const held = { ttlMs: 5000, renew: true, maxHoldMs: 60_000, label: 'me' };
const lease = { ...held, signal: new AbortController().signal };
const jobs = (): ReturnType<typeof createJobLockManager> => createJobLockManager(createMemoryLockManager());

/** What takes options, with all that it knows. It makes no contact, and what it opens is closed. */
const takers: Readonly<Record<string, readonly [options: Options, take: (options: object) => unknown]>> = {
  createLockManager: [manager, (options) => createLockManager(createMemoryBackend(), options)],
  createMemoryBackend: [memory, (options) => createMemoryBackend(options)],
  createMemoryLockManager: [{ ...memory, ...manager }, (options) => createMemoryLockManager(options)],
  createMemoryStore: [{ clock: createManualClock() }, (options) => createMemoryStore(options)],
  createRedisBackend: [redis, (options) => createRedisBackend(options as typeof redis)],
  createRedisLockManager: [{ ...redis, ...manager }, (options) => createRedisLockManager(options as typeof redis)],
  createRedlockBackend: [redlock, (options) => createRedlockBackend(options as typeof redlock)],
  createRedlockLockManager: [{ ...redlock, ...manager }, (options) => createRedlockLockManager(options as typeof redlock)],
  'createPostgresBackend for advisory locks': [advisory, (options) => createPostgresBackend(options as PostgresBackendOptions)],
  'createPostgresBackend for a table': [table, (options) => createPostgresBackend(options as PostgresBackendOptions)],
  createPostgresLockManager: [{ ...advisory, ...manager }, (options) => createPostgresLockManager(options as PostgresBackendOptions)],
  postgresSchemaSql: [{ schema: 's', role: 'r' }, (options) => postgresSchemaSql(options)],
  createZooKeeperBackend: [zookeeper, (options) => createZooKeeperBackend(options as typeof zookeeper & { acl: 'creator' })],
  createZooKeeperLockManager: [
    { ...zookeeper, ...manager },
    (options) => createZooKeeperLockManager(options as { connectionString: string }),
  ],
  'replicas of Redis': [{ min: 1, timeoutMs: 5 }, (replicas) => createRedisBackend({ url: redis.url, replicas: replicas as { min: 1 } })],
  'auth of ZooKeeper': [
    { scheme: 'digest', credentials: 'u:p' },
    (auth) => createZooKeeperBackend({ connectionString: '127.0.0.1:1', auth: auth as { credentials: 'u:p' } }),
  ],
  createJobLockManager: [
    { ...held, retentionMs: 5000, lockAtLeastMs: 5, onMarkFailed: () => {} },
    (options) => createJobLockManager(createMemoryLockManager(), options),
  ],
  createJobSemaphore: [{ ...held, permits: 2 }, (options) => createJobSemaphore(createMemoryLockManager(), options as { permits: 2 })],
  runOnce: [{ ...lease, windowMs: 5000, lockAtLeastMs: 5, guarantee: 'at-most-once' }, (options) => jobs().runOnce('a', options, () => {})],
  processOnce: [
    { ...lease, consumer: 'c', retentionMs: 5000, guarantee: 'at-most-once' },
    (options) => jobs().processOnce('a', options, () => {}),
  ],
  forEachExclusive: [
    { ...lease, key: String, job: 'j', concurrency: 2, retentionMs: 5000 },
    (options) => jobs().forEachExclusive(['a', 'b'], options as { key: typeof String }, () => {}),
  ],
  'marks.set': [{ retentionMs: 5000 }, (options) => createMemoryLockManager().marks?.set('a', options as { retentionMs: 5000 })],
  semaphore: [{ permits: 2 }, (options) => createMemoryLockManager().semaphore('a', options as { permits: 2 })],
  'acquire of a semaphore': [
    { ...lease, waitMs: 5, permits: 2 },
    (options) => createMemoryLockManager().semaphore('a', { permits: 2 }).acquire(options),
  ],
  list: [{ prefix: 'a' }, (options) => createMemoryLockManager().list(options)[Symbol.asyncIterator]().next()],
  checkHealth: [{ timeoutMs: 5000 }, (options) => createMemoryLockManager().checkHealth(options)],
  close: [{ drainMs: 5 }, (options) => createMemoryLockManager().close(options)],
  createMigratingLockManager: [
    { ...manager, from: createMemoryLockManager(), to: createMemoryLockManager(), phase: 'from', onMigrationEvent: () => {} },
    (options) => createMigratingLockManager(options as { from: LockManager; to: LockManager; phase: 'from' }),
  ],
  adaptLegacyLock: [
    { name: 'old', leaseMs: 500, expiry: 'ttl', ...legacyMethods },
    (lock) => adaptLegacyLock(lock as typeof legacyMethods),
  ],
  connect: [
    { ...manager, clock: undefined, ...memory, url: 'memory:', require: ['fencing'], schemes: {} },
    async (options) => await (await connect(options)).close(),
  ],
  'connect beside a URL': [
    { ...manager, clock: undefined, ...memory, require: ['fencing'], schemes: {} },
    async (options) => await (await connect('memory:', options)).close(),
  ],
};

describe('options are read once', () => {
  it('of which these tests know all that a manager has', () => {
    expect(Object.keys(manager).sort()).toEqual(Object.keys(managerOptionRules).sort());
  });

  for (const [name, [options, take]] of Object.entries(takers)) {
    it.each(Object.entries(shapes))(`by ${name}, as %s`, async (_, shape) => {
      const reads: Record<string, number> = Object.fromEntries(Object.keys(options).map((key) => [key, 0]));
      await take(
        shape(options, (key) => {
          reads[key] = (reads[key] ?? 0) + 1;
          // The second look would find something else.
          return reads[key] === 1 ? options[key] : Symbol(key);
        }),
      );
      expect(reads).toEqual(Object.fromEntries(Object.keys(options).map((key) => [key, 1])));
    });

    it.each(Object.entries(shapes))(`and checked by ${name}, as %s`, async (_, shape) => {
      for (const wrong of Object.keys(options)) {
        const given = shape(options, (key) => (key === wrong ? Symbol(key) : options[key]));
        // oxlint-disable-next-line no-await-in-loop
        const error = await (async () => await take(given))().then(
          () => null,
          (reason: unknown) => reason,
        );
        expect(isLockError(error, 'LOCK_INVALID_ARGUMENT') ? error.option : error).toBe(wrong);
      }
    });
  }

  it('and what a class has besides is no option, while an inherited unknown one is refused', async () => {
    class Settings {
      get url(): string {
        return 'memory:';
      }
      get ttlMs(): number {
        return 5000;
      }
      describe(): string {
        return 'a method';
      }
    }
    await (await connect(new Settings())).close();
    await expect(connect(Object.create({ url: 'memory:', ttl: 5 }) as object)).rejects.toMatchObject({ option: 'ttl' });
    expect(() => createRedisLockManager(Object.create({ url: redis.url, ttl: 5 }) as typeof redis)).toThrow('did you mean ttlMs');
  });

  it('in lists too', () => {
    let reads = 0;
    const urls = [...redlock.urls];
    Object.defineProperty(urls, 1, { get: () => ((reads += 1) > 2 ? 'redis://other.invalid' : 'redis://127.0.0.1:2') });
    createRedlockBackend({ urls });
    // Once by the check, once by the copy, which is checked as well.
    expect(reads).toBe(2);
  });
});
