import type { LockManager } from '@holdfast/core';
import { createMigratingLockManager, type MigrationPhase } from '@holdfast/migration';
import { createPostgresLockManager } from '@holdfast/postgres';
import { createRedisLockManager } from '@holdfast/redis';
import { hazelcastLocks, hazelcastMapLocks } from './hazelcast-locks.js';
import { redissonLocks } from './redisson-locks.js';
import { springTableLocks } from './spring-table-locks.js';

/** Where the stores of a run are. */
export interface Stores {
  readonly redisUrl: string;
  readonly postgresUrl: string;
  /** On 127.0.0.1. */
  readonly hazelcastPort: number;
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
  /** SQL that the library's documentation asks for. */
  readonly schema?: string;
  /** What a Node process uses. `phase` means nothing where both share a lock. */
  open(stores: Stores, phase: MigrationPhase): LockManager;
}

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

function phased(from: (stores: Stores) => LockManager): Move['open'] {
  return (stores, phase) =>
    createMigratingLockManager({
      from: from(stores),
      to: createRedisLockManager({ url: stores.redisUrl, prefix: 'new:' }),
      phase,
      ...OPTIONS,
    });
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
  hazelcast: {
    title: "Hazelcast's FencedLock, by the phases",
    stages: PHASES,
    open: phased(({ hazelcastPort }) => hazelcastLocks(hazelcastPort)),
  },
  'hazelcast-map': {
    title: "Hazelcast's locks of a map, by the phases",
    stages: PHASES,
    open: phased(({ hazelcastPort }) => hazelcastMapLocks(hazelcastPort)),
  },
} as const satisfies Readonly<Record<string, Move>>;

export type System = keyof typeof moves;

export function isSystem(name: string): name is System {
  return Object.hasOwn(moves, name);
}
