import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import process from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { LockManager } from '@holdfast/core';
import { createMigratingLockManager } from '@holdfast/core/migration';
import { createMemoryLockManager } from '@holdfast/core/memory';
import { type PostgresServer, type RedisServer, startPostgres, startRedis } from '@holdfast/test/servers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { mustRun, runCommand } from './run-command.js';

const home = fileURLToPath(new URL('..', import.meta.url));
const docs = fileURLToPath(new URL('../../../docs', import.meta.url));

// Within the package, so that `holdfast` and the drivers are found as they are by those who installed them.
let folder: string;
let redis: RedisServer;
let postgres: PostgresServer;
/** Each code sample as a file of its own, `<guide>-<number>`. */
let samples: readonly string[];

beforeAll(async () => {
  [redis, postgres] = await Promise.all([startRedis(), startPostgres()]);
  folder = await mkdtemp(join(home, 'dist-test/guides-'));
  const guides = (await readdir(docs)).filter((file) => /^(?:migrating.*|jobs)\.md$/.test(file));
  const found: string[] = [];
  for (const guide of guides) {
    const text = await readFile(join(docs, guide), 'utf8');
    for (const [index, match] of [...text.matchAll(/```ts\n(.*?)```/gs)].entries()) {
      const name = `${guide.replace('.md', '')}-${index + 1}`;
      const code = (match[1] ?? '')
        .replaceAll('redis://localhost:6379', redis.url)
        .replaceAll('postgres://localhost:5432/shop', postgres.url);
      await writeFile(join(folder, `${name}.ts`), code);
      found.push(name);
    }
  }
  samples = found;
  const compilerOptions = {
    rootDir: folder,
    outDir: folder,
    composite: false,
    declaration: false,
    declarationMap: false,
    sourceMap: false,
    lib: ['ES2023', 'ESNext.Disposable', 'DOM'],
  };
  const files = samples.map((name) => `${name}.ts`);
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ extends: '../../../../tsconfig.base.json', compilerOptions, files }));
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await Promise.all([redis.close(), postgres.close()]);
});

describe('the guides', () => {
  it('have code that compiles, and that runs to its end', async () => {
    expect(samples.length).toBeGreaterThanOrEqual(12);
    const tsc = createRequire(import.meta.url)
      .resolve('typescript/package.json')
      .replace(/package\.json$/, 'bin/tsc');
    const { code, stdout } = await runCommand(process.execPath, [tsc, '-p', folder]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    const queue = [...samples];
    const work = async (): Promise<void> => {
      for (let name = queue.shift(); name !== undefined; name = queue.shift())
        await mustRun(process.execPath, [join(folder, `${name}.js`)]);
    };
    await Promise.all([work(), work(), work()]);
  }, 120_000);

  it('have a lock of Hazelcast that excludes, is lost with its session, and is the side of a migration', async () => {
    const { hazelcastLocks } = (await import(pathToFileURL(join(folder, 'migrating-from-hazelcast-1.js')).href)) as {
      readonly hazelcastLocks: (getLock: (name: string) => Promise<FencedLock>) => LockManager<null>;
    };
    const cluster = new Map<string, FencedLock>();
    const getLock = async (name: string): Promise<FencedLock> => {
      const lock = cluster.get(name) ?? new FencedLock();
      cluster.set(name, lock);
      return lock;
    };
    await using old = hazelcastLocks(getLock);
    const next = createMigratingLockManager({ from: hazelcastLocks(getLock), to: createMemoryLockManager(), phase: 'both' });
    const lease = await old.acquire('x');
    expect(await old.tryAcquire('x')).toBeNull();
    expect(await next.tryAcquire('x')).toBeNull();
    expect(await lease.release()).toBe(true);
    await next.withLock('x', async ({ fencingToken }) => {
      expect(fencingToken).toBeTypeOf('bigint');
      expect(await old.tryAcquire('x')).toBeNull();
    });
    const lost = await old.acquire('x');
    cluster.get('x')?.endSession();
    expect(await lost.release()).toBe(false);
    await next.close();
  });
});

/** What the client's `FencedLock` does, as far as the adapter uses it. Not re-entrant, and freed with its session. */
class FencedLock {
  #fence = 0;
  #holder: number | null = null;

  async tryLock(): Promise<number | undefined> {
    if (this.#holder !== null) return undefined;
    this.#fence += 1;
    this.#holder = this.#fence;
    return this.#fence;
  }

  async unlock(fence: number): Promise<void> {
    if (this.#holder !== fence) throw Object.assign(new Error('the session was closed'), { name: 'LockOwnershipLostError' });
    this.#holder = null;
  }

  async isLocked(): Promise<boolean> {
    return this.#holder !== null;
  }

  endSession(): void {
    this.#holder = null;
  }
}
