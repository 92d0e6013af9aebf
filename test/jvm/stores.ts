import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { reservePort, startPostgres, startRedis, startZooKeeperEnsemble } from '@holdfast/test/servers';
import { JavaProcess } from './java-process.js';
import type { Stores } from './moves.js';

interface Closeable {
  close(): Promise<void>;
}

/** The stores that all moves share, and what ends them. */
export interface OpenedStores extends Closeable {
  readonly stores: Stores;
}

/** Starts them; what was started is ended when one of them cannot be. */
export async function openStores(classPath: string): Promise<OpenedStores> {
  const opened: Closeable[] = [];
  const keep = async <T extends Closeable>(opening: Promise<T>): Promise<T> => {
    const one = await opening;
    opened.push(one);
    return one;
  };
  const close = async (): Promise<void> => {
    await Promise.all(opened.map((one) => one.close()));
  };
  const outcomes = await Promise.allSettled([
    keep(startRedis({ config: {} })),
    keep(startPostgres({ config: {} })),
    keep(startZooKeeperEnsemble()),
    keep(startMembers(classPath, 1)),
    keep(makeDirectory()),
  ]);
  const [redis, postgres, zooKeeper, hazelcast, files] = outcomes;
  if (
    redis.status === 'fulfilled' &&
    postgres.status === 'fulfilled' &&
    zooKeeper.status === 'fulfilled' &&
    hazelcast.status === 'fulfilled' &&
    files.status === 'fulfilled'
  ) {
    const stores: Stores = {
      redisUrl: redis.value.url,
      postgresUrl: postgres.value.url,
      zooKeeperServers: zooKeeper.value.members.map(({ port }) => `127.0.0.1:${port}`).join(),
      hazelcastPorts: hazelcast.value.ports,
      files: files.value.path,
    };
    return { stores, close };
  }
  await close();
  throw outcomes.find((outcome) => outcome.status === 'rejected')?.reason;
}

/** Members of Hazelcast that form one cluster. */
export async function startMembers(classPath: string, count: number): Promise<Closeable & { readonly ports: readonly number[] }> {
  const reserved = await Promise.all(Array.from({ length: count }, () => reservePort()));
  const ports = reserved.map(({ port }) => port);
  const members = ports.map(
    (own) => new JavaProcess(classPath, 'HazelcastMember', { ports: [own, ...ports.filter((port) => port !== own)].join() }),
  );
  const close = async (): Promise<void> => {
    await Promise.all(members.map((member) => member.kill()));
    for (const each of reserved) each.release();
  };
  const failed = Promise.race(members.map((member) => member.failed()));
  // Also when it fails later: the clients report that to their callers.
  failed.catch(() => {});
  try {
    await Promise.race([failed, Promise.all(members.map((member) => member.started))]);
  } catch (error) {
    await close();
    throw error;
  }
  return { ports, close };
}

async function makeDirectory(): Promise<Closeable & { readonly path: string }> {
  const path = await mkdtemp(join(tmpdir(), 'holdfast-lock-files-'));
  return { path, close: () => rm(path, { recursive: true }) };
}
