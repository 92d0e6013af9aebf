import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';
import { createMemoryLockManager, createMemoryStore } from 'holdfast/memory';
import { isLockError, type LockManager } from 'holdfast';
import { createWebLocks, type WebLocks } from 'holdfast/web-locks';
import { until } from '@holdfast/test/servers';
import { beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { mustRun } from './run-command.js';
import { scenarios } from './web-locks-scenarios.js';

let manager: LockManager;
let peer: LockManager;
let locks: WebLocks;

beforeEach(() => {
  const store = createMemoryStore();
  manager = createMemoryLockManager({ store, label: 'me' });
  peer = createMemoryLockManager({ store, label: 'peer' });
  locks = createWebLocks(manager);
  return async () => {
    await Promise.all([manager.close(), peer.close()]);
  };
});

describe('as navigator.locks of Node does', () => {
  let native: Readonly<Record<string, unknown>>;

  beforeAll(async () => {
    // The first version of Node that has them.
    const { resolve } = createRequire(new URL('../../../test/package.json', import.meta.url));
    const script = fileURLToPath(new URL('../dist-test/test/web-locks-scenarios.js', import.meta.url));
    native = JSON.parse(await mustRun(resolve('node-24/bin/node'), [script])) as Readonly<Record<string, unknown>>;
  });

  it.each(Object.entries(scenarios))('%s', async (name, scenario) => {
    const ours: unknown = JSON.parse(JSON.stringify(await scenario(locks)));
    expect(ours).toEqual(native[name]);
  });
});

describe('as the standard says, where Node does otherwise', () => {
  it('a callback that throws at once frees the lock, too', async () => {
    const failing = locks.request('a', () => {
      throw new Error('at once');
    });
    expect(await rejection(failing)).toMatchObject({ message: 'at once' });
    expect(await locks.request('a', { ifAvailable: true }, (lock) => lock?.mode)).toBe('exclusive');
  });

  it('a callback is never called before request has returned', async () => {
    const order: string[] = [];
    const requested = locks.request('a', () => order.push('called'));
    order.push('returned');
    await requested;
    expect(order).toEqual(['returned', 'called']);
  });

  it('an abort lets those behind it in', async () => {
    let free!: () => void;
    const held = new Promise<void>((resolve) => {
      free = resolve;
    });
    const reading = locks.request('a', { mode: 'shared' }, () => held);
    const controller = new AbortController();
    const writing = rejection(locks.request('a', { signal: controller.signal }, () => expect.fail('it was aborted')));
    const behind = locks.request('a', { mode: 'shared' }, () => 'read');
    await until('both wait', async () => (await locks.query()).pending.length === 2);
    controller.abort('enough');
    expect([await writing, await behind]).toEqual(['enough', 'read']);
    free();
    await reading;
  });

  it('a name is looked at before the signal', async () => {
    const error = await rejection(locks.request('-a', { signal: AbortSignal.abort('why') }, () => 1));
    expect(error).toMatchObject({ name: 'NotSupportedError' });
  });
});

describe('as the standard says, where only a process of our own can show it', () => {
  it('an abort between the grant and the callback frees the lock, and the callback is not called', async () => {
    const controller = new AbortController();
    const { write } = manager.readWriteLock('a');
    const abortsBehindTheGrant = Object.create(manager, {
      readWriteLock: {
        value: () => ({
          write: {
            acquire: async () => {
              const lease = await write.acquire();
              controller.abort('late');
              return lease;
            },
          },
        }),
      },
    }) as LockManager;
    let called = false;
    const requested = createWebLocks(abortsBehindTheGrant).request('a', { signal: controller.signal }, () => {
      called = true;
    });
    expect(await rejection(requested)).toBe('late');
    expect(called).toBe(false);
    expect(await (await peer.readWriteLock('a').write.tryAcquire())?.release()).toBe(true);
  });

  it('a steal of another process is reported as a loss', async () => {
    let stolen: unknown;
    const robbed = rejection(
      locks.request('a', async () => {
        stolen = await createWebLocks(peer).request('a', { steal: true }, (lock) => lock.mode);
      }),
    );
    expect(isLockError(await robbed, 'LOCK_LOST')).toBe(true);
    expect(stolen).toBe('exclusive');
  });
});

/** What the promise rejects with. */
async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(
    () => expect.fail('it resolved'),
    (error: unknown) => error,
  );
}

describe('beyond the standard, a lock', () => {
  it('is the read/write lock of its name, for all processes', async () => {
    await locks.request('catalogue', async (lock) => {
      expect(await peer.readWriteLock('catalogue').read.tryAcquire()).toBeNull();
      expect(lock.fencingToken).toBeTypeOf('bigint');
    });
    await using _ = await peer.readWriteLock('catalogue').read.acquire();
    expect(await locks.request('catalogue', { ifAvailable: true }, (lock) => lock)).toBeNull();
    expect(await locks.request('catalogue', { ifAvailable: true, mode: 'shared' }, (lock) => lock?.name)).toBe('catalogue');
    // The plain lock of that name is another thing.
    expect(await (await peer.tryAcquire('catalogue'))?.release()).toBe(true);
  });

  it('can be lost: the promise rejects at once, the signal aborts, and the callback may go on', async () => {
    let goOn!: () => void;
    const going = new Promise<void>((resolve) => {
      goOn = resolve;
    });
    let aborted: unknown;
    const lost = locks.request('a', async ({ signal }) => {
      signal.addEventListener('abort', () => {
        aborted = signal.reason;
      });
      // As an operator does, from another process.
      await peer.readWriteLock('a').forceRelease();
      manager
        .readWriteLock('a')
        .forceRelease()
        .catch(() => {});
      await manager.close();
      await going;
    });
    const error = await rejection(lost);
    expect(isLockError(error, 'LOCK_LOST')).toBe(true);
    expect(aborted).toBe(error);
    goOn();
  });

  it('that had gone when the callback ended is lost, too, unless the callback has an error of its own', async () => {
    const take = (): Promise<boolean> => peer.readWriteLock('a').forceRelease();
    expect(isLockError(await rejection(locks.request('a', take)), 'LOCK_LOST')).toBe(true);
    const own = new Error('of its own');
    const failing = locks.request('a', async () => {
      await take();
      throw own;
    });
    expect(await rejection(failing)).toBe(own);
  });

  it('is waited for also by its own callback: no request is refused for the order of the code', async () => {
    let inner: Promise<string> | undefined;
    const outer = await locks.request('a', () => {
      inner = locks.request('a', () => 'inner');
      return 'outer';
    });
    expect([outer, await inner]).toEqual(['outer', 'inner']);
  });

  it('is waited for as long as it takes, whatever the manager’s own waitMs', async () => {
    await using impatient = createMemoryLockManager({ waitMs: 1 });
    const own = createWebLocks(impatient);
    const first = own.request('a', () => new Promise((resolve) => setTimeout(resolve, 60, 'first')));
    const second = own.request('a', () => 'second');
    expect(await Promise.all([first, second])).toEqual(['first', 'second']);
  });
});

describe('what cannot be done is reported as the standard tells it', () => {
  it.each([
    ['an empty name', ''],
    ['a name of more than 512 bytes', 'x'.repeat(513)],
    ['half of a character', '\uD800'],
  ])('%s is NotSupportedError', async (_, name) => {
    expect(await rejection(locks.request(name, () => 1))).toMatchObject({ name: 'NotSupportedError' });
  });

  it('a manager that is closed is InvalidStateError, for those who wait too', async () => {
    await using _ = await peer.readWriteLock('a').write.acquire();
    const waiting = rejection(locks.request('a', () => 1));
    await manager.close();
    expect(await waiting).toMatchObject({ name: 'InvalidStateError', cause: { code: 'LOCK_CLOSED' } });
    expect(await rejection(locks.request('b', () => 1))).toMatchObject({ name: 'InvalidStateError' });
    expect(await rejection(locks.query())).toMatchObject({ name: 'InvalidStateError' });
  });

  it('a store without lists is NotSupportedError of query, and one without read/write locks is refused', async () => {
    const without = (capability: string): LockManager =>
      Object.create(manager, {
        capabilities: { value: { ...manager.capabilities, [capability]: false } },
        list: {
          value: () => peer.list({ prefix: '\uD800' }),
        },
      }) as LockManager;
    expect(await rejection(createWebLocks(without('list')).query())).toMatchObject({ name: 'NotSupportedError' });
    expect(() => createWebLocks(without('readWriteLocks'))).toThrow(expect.objectContaining({ code: 'LOCK_UNSUPPORTED' }));
    for (const wrong of [undefined, null, {}, 'memory:']) {
      expect(() => createWebLocks(wrong as never)).toThrow(expect.objectContaining({ code: 'LOCK_INVALID_ARGUMENT', option: 'manager' }));
    }
  });
});

describe('the page', () => {
  it('names a test for each clause of the standard, but for the error that cannot be here', async () => {
    const repository = new URL('../../../', import.meta.url);
    const [page = '', own = ''] = await Promise.all(
      ['docs/web-locks.md', 'packages/holdfast/test/web-locks.test.ts'].map((path) => readFile(new URL(path, repository), 'utf8')),
    );
    const clauses = page
      .split('## The standard, clause by clause')[1]
      ?.split('\n## ')[0]
      ?.split('\n')
      .filter((line) => line.startsWith('| '))
      .slice(2)
      .map((line) => line.split('|').map((cell) => cell.trim()));
    const unproved = clauses?.filter(([, , , tests]) => tests === '').map(([, clause]) => clause);
    expect(unproved).toEqual([expect.stringContaining('SecurityError')]);
    const named = clauses?.flatMap(([, , , tests = '']) => tests.split('; ')).filter((title) => title !== '') ?? [];
    expect(named.length).toBeGreaterThan(20);
    const parameterised = new Set(['an empty name', 'a name of more than 512 bytes', 'half of a character']);
    const missing = named.filter(
      (title) => !(title in scenarios) && !own.includes(`it('${title}'`) && !parameterised.has(title.replace(/ is NotSupportedError$/, '')),
    );
    expect(missing).toEqual([]);
  });
});
