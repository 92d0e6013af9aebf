import { existsSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import process from 'node:process';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { LockManager } from '@holdfast/core';
import { createMigratingLockManager } from '@holdfast/migration';
import { createMemoryLockManager } from '@holdfast/core/memory';
import { type PageServers, startForPages, withAddresses } from '@holdfast/test/servers';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { Output } from '../src/cli/output.js';
import { createProgram } from '../src/cli/program.js';
import { treeOf } from '../src/cli/shell/command-tree.js';
import { mustRun, runCommand } from './run-command.js';

const home = fileURLToPath(new URL('..', import.meta.url));
const root = fileURLToPath(new URL('../../..', import.meta.url));

// Within the package, so that `holdfast` and the drivers are found as they are by those who installed them.
let folder: string;
let servers: PageServers;
/** Each code sample as a file of its own, `<page>-<number>`. */
let samples: readonly string[];
/** The examples of docstrings, likewise. */
let examples: readonly string[];

/** All pages, relative to the root; the samples of some are parts of something larger, and tested where that is. */
async function pagesIn(...folders: readonly string[]): Promise<readonly string[]> {
  const pages = await Promise.all(
    folders.map(async (folder) =>
      (await readdir(join(root, folder))).filter((file) => file.endsWith('.md')).map((file) => join(folder, file)),
    ),
  );
  return pages.flat();
}
const PACKAGES = [
  'core',
  'election',
  'fastify',
  'fencing',
  'holdfast',
  'jobs',
  'migration',
  'nestjs',
  'postgres',
  'redis',
  'redlock',
  'zookeeper',
].map((name) => `packages/${name}`);
const WITH_PARTS = ['packages/holdfast/README.md'];
/** The samples of one page that go on where the one before ended. */
const IN_SEQUENCE = ['docs/testing.md'];

beforeAll(async () => {
  const pages = ['README.md', ...(await pagesIn('docs', ...PACKAGES))].filter((each) => !WITH_PARTS.includes(each));
  const texts = new Map(await Promise.all(pages.map(async (page) => [page, await readFile(join(root, page), 'utf8')] as const)));
  servers = await startForPages([...texts.values()]);
  folder = await mkdtemp(join(home, 'dist-test/guides-'));
  const place = async (name: string, block: string): Promise<void> => {
    // A machine that is busy with other tests answers late, and that is not what is tried here.
    const patient = block.replace(
      /connect\('(redis:\/\/localhost:6379|postgres:\/\/localhost:5432\/shop)'/g,
      "connect('$1?commandTimeoutMs=20000'",
    );
    const code = withAddresses(patient, servers);
    await writeFile(join(folder, `${name}.ts`), code);
  };
  const found: string[] = [];
  for (const [page, text] of texts) {
    const blocks = [...text.matchAll(/```ts\n(.*?)```/gs)].map((match) => match[1] ?? '');
    for (const [index, block] of (IN_SEQUENCE.includes(page) ? [blocks.join('\n')] : blocks).entries()) {
      const name = `${page.replace(/^docs\/|\.md$/g, '').replaceAll('/', '-')}-${index + 1}`;
      await place(name, block);
      found.push(name);
    }
  }
  samples = found;
  const shown = await examplesOfDocstrings();
  for (const [index, block] of shown.entries()) await place(`example-${index + 1}`, block);
  examples = shown.map((_, index) => `example-${index + 1}`);
  const compilerOptions = {
    rootDir: folder,
    outDir: folder,
    composite: false,
    declaration: false,
    declarationMap: false,
    sourceMap: false,
    noUnusedLocals: false,
    // Nest's.
    experimentalDecorators: true,
    lib: ['ES2023', 'ESNext.Disposable', 'DOM'],
  };
  const files = [...samples, ...examples].map((name) => `${name}.ts`);
  await writeFile(join(folder, 'tsconfig.json'), JSON.stringify({ extends: '../../../../tsconfig.base.json', compilerOptions, files }));
});

afterAll(async () => {
  await rm(folder, { recursive: true, force: true });
  await servers.close();
});

describe('the pages', () => {
  it('have links that lead somewhere', async () => {
    const pages = await pagesIn('.', 'docs', 'bench', 'examples', 'packages/core/src/conformance', ...PACKAGES);
    const texts = new Map(await Promise.all(pages.map(async (page) => [page, await readFile(join(root, page), 'utf8')] as const)));
    const broken: string[] = [];
    for (const [page, text] of texts) {
      for (const [, link = ''] of text.replace(/```.*?```/gs, '').matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^https?:/.test(link)) continue;
        const [path = '', anchor] = link.split('#');
        const target = path === '' ? page : join(dirname(page), path);
        const isThere = existsSync(join(root, target)) && (anchor === undefined || anchorsOf(texts.get(target) ?? '').includes(anchor));
        if (!isThere) broken.push(`${page}: ${link}`);
      }
    }
    expect(broken).toEqual([]);
  });

  it('say what to install beside holdfast', async () => {
    const drivers: readonly (readonly [RegExp, string])[] = [
      // Pages without a line of their own build on the start page.
      [/^npm install[^]*'redis:/m, 'ioredis'],
      [/connect\('postgres:/, 'pg'],
      [/connect\('zookeeper:/, 'node-zookeeper-client'],
    ];
    for (const page of await pagesIn('docs')) {
      const text = await readFile(join(root, page), 'utf8');
      const code = [...text.matchAll(/```ts\n(.*?)```/gs)].map((match) => match[1] ?? '').join('\n');
      const imported = [...code.matchAll(/from '([^'.][^']*)'/g)].map((match) => match[1] ?? '');
      const packages = imported.map((name) => /^(?:@[^/]+\/)?[^/]+/.exec(name)?.[0] ?? name);
      const others = packages.filter((name) => !/^(holdfast|@holdfast|node:|ioredis)/.test(name));
      const installed = [...text.matchAll(/^npm install (.*)$/gm)].flatMap((match) => (match[1] ?? '').split(/\s+/));
      const used = `${installed.length === 0 ? '' : 'npm install'}\n${code}`;
      const needed = new Set([...others, ...drivers.filter(([url]) => url.test(used)).map(([, driver]) => driver)]);
      expect({ page, missing: [...needed].filter((name) => !installed.includes(name)) }).toEqual({ page, missing: [] });
    }
  });

  it('of packages say what to install, all of it', async () => {
    // An application of Nest has these.
    const nest = /^(?:@nestjs\/|reflect-metadata$)/;
    for (const page of await pagesIn(...PACKAGES)) {
      const text = await readFile(join(root, page), 'utf8');
      const code = [...text.matchAll(/```ts\n(.*?)```/gs)].map((match) => match[1] ?? '').join('\n');
      const imported = [...code.matchAll(/from '([^'.][^']*)'/g)].map(([, name = '']) => /^(?:@[^/]+\/)?[^/]+/.exec(name)?.[0] ?? name);
      const installed = [...text.matchAll(/^npm install (.*)$/gm)].flatMap((match) => (match[1] ?? '').split(/\s+/));
      const missing = imported.filter((name) => !name.startsWith('node:') && !nest.test(name) && !installed.includes(name));
      expect({ page, missing }).toEqual({ page, missing: [] });
    }
  });

  it('name scripts, moves, and commands and options of the command line that are there', async () => {
    const pages = await pagesIn('.', 'docs', 'bench', 'examples', 'packages/core/src/conformance', ...PACKAGES);
    const { scripts } = JSON.parse(await readFile(join(root, 'package.json'), 'utf8')) as { readonly scripts: Record<string, string> };
    const moves = await readFile(join(root, 'test/jvm/moves.ts'), 'utf8');
    const { commands, options: ofAll } = treeOf(createProgram(new Output(), () => {}));
    const unknown: string[] = [];
    for (const page of pages.filter((each) => !each.endsWith('CHANGELOG.md'))) {
      const text = await readFile(join(root, page), 'utf8');
      const note = (names: readonly string[], isKnown: (name: string) => boolean): void => {
        unknown.push(...names.filter((name) => !isKnown(name)).map((name) => `${page}: ${name}`));
      };
      note(
        [...text.matchAll(/(?:npx -y pnpm@10|`pnpm) ([a-z][a-z:-]+)/g)].map(([, name = '']) => name),
        (name) => name in scripts || name === 'install',
      );
      note(
        [...text.matchAll(/\bnode ((?:scripts|site|packages|bench|examples)\/[\w./-]+)/g)].map(([, file = '']) => file),
        (file) => existsSync(join(root, file)),
      );
      note(
        [...text.matchAll(/test:jvm ([a-z][a-z -]+)`/g)].flatMap(([, names = '']) => names.trim().split(' ')),
        (name) => new RegExp(`^  '?${name}'?: \\{`, 'm').test(moves),
      );
      // What stands behind ` -- ` is another command's.
      for (const [, name = '', rest = ''] of text.matchAll(/(?:`|npx |^|  )holdfast (?:--url \S+ )?([a-z][a-z-]+)((?: [^`|\n]*)?)/gm)) {
        const command = commands.find((each) => each.name === name);
        const known = [...ofAll, ...(command?.options ?? [])].map(({ long }) => long);
        const typed = rest.split(' -- ')[0] ?? '';
        note([name], () => command !== undefined);
        note(typed.match(/(?<= )--[a-z][a-z-]*/g) ?? [], (option) => known.includes(option));
      }
    }
    expect(unknown).toEqual([]);
  });

  it('say in which month and version other libraries were looked at, and the versions are those that the tests run', async () => {
    const pages = (await pagesIn('docs')).filter((page) => page.includes('migrating-from-'));
    const texts = await Promise.all(
      [...pages, 'docs/redlock.md', 'bench/README.md'].map(async (page) => [page, await readFile(join(root, page), 'utf8')] as const),
    );
    expect(texts.filter(([, text]) => !/[Ll]ooked at in [A-Z][a-z]+ 20\d\d/.test(text)).map(([page]) => page)).toEqual([]);
    for (const [page, manifest] of [
      ['docs/migrating-from-node-redlock.md', 'packages/redis/package.json'],
      ['bench/README.md', 'bench/package.json'],
    ] as const) {
      const versions = JSON.parse(await readFile(join(root, manifest), 'utf8')) as Record<string, Record<string, string> | undefined>;
      const text = (await readFile(join(root, page), 'utf8')).replace(/\s+/g, ' ');
      for (const name of ['redlock', 'redis-semaphore', '@verrou/core']) {
        expect(text).toContain(`${name} ${versions['dependencies']?.[name] ?? versions['devDependencies']?.[name]}`);
      }
    }
  });

  it('begin with one that fits on three screens', async () => {
    const lines = (await readFile(join(root, 'README.md'), 'utf8')).trimEnd().split('\n');
    expect(lines.length).toBeLessThanOrEqual(130);
    expect(lines.filter((line) => line.length > 140)).toEqual([]);
  });

  it('of the packages say where it is that they link to and do not bring', async () => {
    for (const page of (await pagesIn(...PACKAGES)).filter((each) => each.endsWith('README.md'))) {
      const text = await readFile(join(root, page), 'utf8');
      if (text.includes('](../'))
        expect({ page, text }).toMatchObject({ text: expect.stringContaining("in Holdfast's repository") as string });
    }
  });

  it('have code that compiles, and that runs to its end', async () => {
    expect(samples.length).toBeGreaterThanOrEqual(20);
    const tsc = createRequire(import.meta.url)
      .resolve('typescript/package.json')
      .replace(/package\.json$/, 'bin/tsc');
    const { code, stdout } = await runCommand(process.execPath, [tsc, '-p', folder]);
    expect({ code, stdout }).toEqual({ code: 0, stdout: '' });
    // Alone, as it asks three new nodes, each with half a second to answer.
    const first = 'packages-redlock-README-1';
    await mustRun(process.execPath, [join(folder, `${first}.js`)]);
    const queue = samples.filter((name) => name !== first);
    const work = async (): Promise<void> => {
      for (let name = queue.shift(); name !== undefined; name = queue.shift())
        await mustRun(process.execPath, [join(folder, `${name}.js`)]);
    };
    // One process runs all examples, one after the other, as they are many and small.
    expect(examples.length).toBeGreaterThanOrEqual(30);
    const all = examples.map((name) => `await import('./${name}.js');\n`).join('');
    await writeFile(join(folder, 'examples.mjs'), all);
    await Promise.all([work(), work(), work()]);
    await mustRun(process.execPath, [join(folder, 'examples.mjs')]);
  }, 240_000);

  it('have a lock of Hazelcast that excludes, is lost with its session, and is the side of a migration', async () => {
    const { hazelcastLocks } = (await import(pathToFileURL(join(folder, 'migrating-from-hazelcast-1.js')).href)) as {
      readonly hazelcastLocks: (cp: Cluster) => LockManager<null>;
    };
    const cluster = new Cluster();
    await using old = hazelcastLocks(cluster);
    const next = createMigratingLockManager({ from: hazelcastLocks(cluster), to: createMemoryLockManager(), phase: 'both' });
    const lease = await old.acquire('x');
    expect(await old.tryAcquire('x')).toBeNull();
    expect(await next.tryAcquire('x')).toBeNull();
    expect(await lease.release()).toBe(true);
    await next.withLock('x', async ({ fencingToken }) => {
      expect(fencingToken).toBeTypeOf('bigint');
      expect(await old.tryAcquire('x')).toBeNull();
    });
    const lost = await old.acquire('x');
    (await cluster.getLock('x')).endSession();
    expect(await lost.release()).toBe(false);
    const two = await old.semaphore('s', { permits: 3 }).acquire({ permits: 2 });
    expect(await next.semaphore('s', { permits: 3 }).tryAcquire({ permits: 2 })).toBeNull();
    expect(await two.release()).toBe(true);
    await next.semaphore('s', { permits: 3 }).withPermits({ permits: 2 }, async () => {
      expect(await old.semaphore('s', { permits: 3 }).tryAcquire({ permits: 2 })).toBeNull();
    });
    await next.close();
  });
});

/** The code of every `@example` in the sources of the packages. */
async function examplesOfDocstrings(): Promise<readonly string[]> {
  const folders = (await readdir(join(root, 'packages'))).map((name) => join(root, 'packages', name, 'src'));
  const files = await Promise.all(
    folders.map(async (src) =>
      (await readdir(src, { recursive: true })).filter((file) => file.endsWith('.ts')).map((file) => join(src, file)),
    ),
  );
  const texts = await Promise.all(files.flat().map((file) => readFile(file, 'utf8')));
  return texts.flatMap((text) =>
    [...text.matchAll(/^ \* @example\n \* ```ts\n(.*?)^ \* ```$/gms)].map(([, code = '']) => code.replace(/^ \* ?/gm, '')),
  );
}

/** As GitHub makes them of headings. */
function anchorsOf(text: string): readonly string[] {
  return [...text.matchAll(/^#+ (.*)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-'),
  );
}

/** What the CP subsystem of a client does, as far as the adapter uses it. */
class Cluster {
  readonly #locks = new Map<string, FencedLock>();
  readonly #semaphores = new Map<string, Semaphore>();

  async getLock(name: string): Promise<FencedLock> {
    const lock = this.#locks.get(name) ?? new FencedLock();
    this.#locks.set(name, lock);
    return lock;
  }

  async getSemaphore(name: string): Promise<Semaphore> {
    const semaphore = this.#semaphores.get(name) ?? new Semaphore();
    this.#semaphores.set(name, semaphore);
    return semaphore;
  }
}

/** Its `ISemaphore`. */
class Semaphore {
  #free: number | null = null;

  async init(permits: number): Promise<boolean> {
    if (this.#free !== null) return false;
    this.#free = permits;
    return true;
  }

  async tryAcquire(permits: number): Promise<boolean> {
    const free = await this.availablePermits();
    if (free < permits) return false;
    this.#free = free - permits;
    return true;
  }

  async release(permits: number): Promise<void> {
    this.#free = (await this.availablePermits()) + permits;
  }

  async availablePermits(): Promise<number> {
    return this.#free ?? 0;
  }
}

/** A fence: an object, as the client's. */
interface Fence {
  readonly number: number;
}

/** Its `FencedLock`. Not re-entrant, and freed with its session. */
class FencedLock {
  #count = 0;
  #holder: Fence | null = null;

  async tryLock(): Promise<Fence | undefined> {
    if (this.#holder !== null) return undefined;
    this.#count += 1;
    this.#holder = { number: this.#count };
    return this.#holder;
  }

  async unlock(fence: Fence): Promise<void> {
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
