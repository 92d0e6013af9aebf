import type { LockManager } from '@holdfast/core';
import { createMigratingLockManager, type MigrationPhase } from '@holdfast/migration';
import { createPostgresLockManager } from '@holdfast/postgres';
import { createRedisLockManager } from '@holdfast/redis';
import { createZooKeeperLockManager } from '@holdfast/zookeeper';
import { curatorLocks } from './curator-locks.js';
import { hazelcastLocks, hazelcastMapLocks } from './hazelcast-locks.js';
import { counterLocks, fileLocks, flagLocks } from './home-made-locks.js';
import { redissonLocks } from './redisson-locks.js';
import { springTableLocks } from './spring-table-locks.js';

/** Where the stores of a run are. */
export interface Stores {
  readonly redisUrl: string;
  readonly postgresUrl: string;
  /** host:port of each server of the ensemble, with commas between them. */
  readonly zooKeeperServers: string;
  /** Of the members, on 127.0.0.1. */
  readonly hazelcastPorts: readonly number[];
  /** A directory for lock files. */
  readonly files: string;
}

/** What runs side by side at one time: so many processes of the old release, and Node processes by phase. */
export interface Stage {
  readonly jvm: number;
  readonly node: readonly MigrationPhase[];
}

/** One way from a library of the JVM to Holdfast, and back. */
export interface Move {
  readonly title: string;
  readonly stages: readonly Stage[];
  /** SQL that comes before all. `names`: of what is locked. */
  readonly schema?: string | ((names: readonly string[]) => string);
  /** What moves. @default lock */
  readonly kind?: MovedKind;
  /** How many members of Hazelcast. @default 1 */
  readonly members?: number;
  /** What a Node process uses. `phase` means nothing where both share a lock. */
  open(stores: Stores, phase: MigrationPhase): LockManager;
}

export type MovedKind = 'lock' | 'semaphore' | 'readWrite';

/** How each kind is asked for: one of these at a time, as mode:permits. */
export const asksOf: Readonly<Record<MovedKind, readonly string[]>> = {
  lock: ['exclusive:1'],
  semaphore: ['permits:1', 'permits:2'],
  readWrite: ['read:1', 'read:1', 'write:1'],
};
export const PERMITS = 3;

const OPTIONS = { ttlMs: 10_000, waitMs: 30_000 };

/** Where both can have the same lock: they come and go as they like. */
const TOGETHER: readonly Stage[] = [
  { jvm: 2, node: [] },
  { jvm: 2, node: ['both', 'both'] },
  { jvm: 0, node: ['both', 'both'] },
  { jvm: 2, node: ['both'] },
  { jvm: 2, node: [] },
];

/** The order of docs/migrating.md, and the same way back. */
const PHASES: readonly Stage[] = [
  { jvm: 2, node: [] },
  { jvm: 2, node: ['both'] },
  { jvm: 1, node: ['both', 'both'] },
  { jvm: 0, node: ['both', 'both'] },
  { jvm: 0, node: ['both', 'to'] },
  { jvm: 0, node: ['to', 'to'] },
  { jvm: 0, node: ['both', 'to'] },
  { jvm: 0, node: ['both', 'both'] },
  { jvm: 2, node: ['both'] },
  { jvm: 2, node: [] },
];

function onRedis({ redisUrl }: Stores): LockManager {
  return createRedisLockManager({ url: redisUrl, prefix: 'new:' });
}

function onZooKeeper({ zooKeeperServers }: Stores): LockManager {
  return createZooKeeperLockManager({ connectionString: zooKeeperServers });
}

function phased(from: (stores: Stores) => LockManager, to = onRedis): Move['open'] {
  return (stores, phase) => createMigratingLockManager({ from: from(stores), to: to(stores), phase, ...OPTIONS });
}

/** The systems, by the names that the Java programs know. */
export const moves = {
  'shedlock-jdbc': {
    title: 'ShedLock on PostgreSQL, and the same table',
    stages: TOGETHER,
    schema: `create table shedlock (
      name varchar(64) primary key, lock_until timestamp not null, locked_at timestamp not null, locked_by varchar(255) not null)`,
    open: ({ postgresUrl }) =>
      createPostgresLockManager({ connectionString: postgresUrl, strategy: 'table', shedLockTable: 'shedlock', ...OPTIONS }),
  },
  'shedlock-redis': {
    title: 'ShedLock on Redis, and the same key',
    stages: TOGETHER,
    open: ({ redisUrl }) => createRedisLockManager({ url: redisUrl, prefix: 'job-lock:shop:', ...OPTIONS }),
  },
  'spring-redis': {
    title: "Spring Integration's RedisLockRegistry, and the same key",
    stages: TOGETHER,
    open: ({ redisUrl }) => createRedisLockManager({ url: redisUrl, prefix: 'registry:', ...OPTIONS }),
  },
  'spring-jdbc': {
    title: "Spring Integration's JdbcLockRegistry, by the phases",
    stages: PHASES,
    schema: `create table int_lock (
      lock_key char(36) not null, region varchar(100) not null, client_id char(36), created_date timestamp not null,
      constraint int_lock_pk primary key (lock_key, region))`,
    open: phased(({ postgresUrl }) => springTableLocks(postgresUrl)),
  },
  redisson: {
    title: "Redisson's RLock, by the phases",
    stages: PHASES,
    open: phased(({ redisUrl }) => redissonLocks(redisUrl)),
  },
  'redisson-fenced': {
    title: "Redisson's RFencedLock, by the phases",
    stages: PHASES,
    open: phased(({ redisUrl }) => redissonLocks(redisUrl)),
  },
  'redisson-semaphore': {
    title: "Redisson's RSemaphore, by the phases",
    stages: PHASES,
    kind: 'semaphore',
    open: phased(({ redisUrl }) => redissonLocks(redisUrl)),
  },
  'redisson-read-write': {
    title: "Redisson's RReadWriteLock, by the phases",
    stages: PHASES,
    kind: 'readWrite',
    open: phased(({ redisUrl }) => redissonLocks(redisUrl)),
  },
  hazelcast: {
    title: "Hazelcast's FencedLock, by the phases",
    stages: PHASES,
    open: phased(({ hazelcastPorts }) => hazelcastLocks(hazelcastPorts)),
  },
  'hazelcast-map': {
    title: "Hazelcast's locks of a map, by the phases",
    stages: PHASES,
    open: phased(({ hazelcastPorts }) => hazelcastMapLocks(hazelcastPorts)),
  },
  'hazelcast-semaphore': {
    title: "Hazelcast's ISemaphore, by the phases",
    stages: PHASES,
    kind: 'semaphore',
    open: phased(({ hazelcastPorts }) => hazelcastLocks(hazelcastPorts)),
  },
  'hazelcast-three-members': {
    title: "Hazelcast's FencedLock on three members, by the phases",
    stages: PHASES,
    members: 3,
    open: phased(({ hazelcastPorts }) => hazelcastLocks(hazelcastPorts)),
  },
  curator: {
    title: "Curator's InterProcessMutex on the same ensemble, by the phases",
    stages: PHASES,
    open: phased(({ zooKeeperServers }) => curatorLocks(zooKeeperServers), onZooKeeper),
  },
  'home-made-flag': {
    title: 'a column that is read under FOR UPDATE and then set, by the phases',
    stages: PHASES,
    schema: (names) => `create table flags (name text primary key, locked boolean not null default false, owner text);
      insert into flags (name) values ${names.map((name) => `('${name}')`).join()}`,
    open: phased(({ postgresUrl }) => flagLocks(postgresUrl)),
  },
  'home-made-set-nx': {
    title: 'SET NX without an owner, and the same key',
    stages: TOGETHER,
    open: ({ redisUrl }) => createRedisLockManager({ url: redisUrl, prefix: 'busy:', ...OPTIONS }),
  },
  'home-made-incr': {
    title: 'INCR with EXPIRE, by the phases',
    stages: PHASES,
    open: phased(({ redisUrl }) => counterLocks(redisUrl)),
  },
  'home-made-file': {
    title: 'a file that must not exist yet, by the phases',
    stages: PHASES,
    open: phased(({ files }) => fileLocks(files)),
  },
} as const satisfies Readonly<Record<string, Move>>;

export type System = keyof typeof moves;

export function isSystem(name: string): name is System {
  return Object.hasOwn(moves, name);
}
