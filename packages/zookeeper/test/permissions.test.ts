import { type HoldRequest, isLockError, type LockBackend } from '@holdfast/core';
import { attempt, callOf, free, newName, permitsOf, requestOf, take } from '@holdfast/test/backend';
import { until } from '@holdfast/test/servers';
import { describe, expect, it } from 'vitest';
import { newRoot, stand, useZooKeeper } from './zookeeper-harness.js';

const zooKeeper = useZooKeeper();
const ADMINISTER = 16;
const permissions = { create: 4, delete: 8, read: 1, write: 2, administer: ADMINISTER } as const;
type Permission = keyof typeof permissions;
const ALL = 31;

const kinds = {
  'a lock': { directory: 'locks', kind: 'lock', request: (name: string) => requestOf(name) },
  'a reader': { directory: 'read-write', kind: 'read-write', request: (name: string) => requestOf(name, 'read') },
  'a writer': { directory: 'read-write', kind: 'read-write', request: (name: string) => requestOf(name, 'write') },
  'a permit': { directory: 'semaphores', kind: 'semaphore', request: (name: string) => permitsOf(name, 1, 1) },
} as const;
type Kind = keyof typeof kinds;
const kindNames = Object.keys(kinds) as Kind[];

/** Waiting cannot help. */
async function refused(promise: Promise<unknown> | undefined): Promise<string> {
  const error = await promise?.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!isLockError(error, 'LOCK_BACKEND_UNAVAILABLE')) throw new Error('not refused', { cause: error });
  expect(error.retryable).toBe(false);
  expect(error.message).toContain('NO_AUTH');
  return error.message;
}

/** A root whose directories others have made, who may do everything. */
async function openRoot(): Promise<string> {
  const root = newRoot();
  const open = zooKeeper.backend({ root });
  for (const { request } of Object.values(kinds)) {
    const first = request('first');
    await take(open, first);
    await free(open, first);
  }
  return root;
}

function allBut(lacking: Permission, others: number): number {
  return (ALL & ~permissions[lacking]) | others;
}

/** Takes it, at once and after a wait, and lets the hold show that it stands and ends. */
async function worksFor(backend: LockBackend<bigint>, request: () => HoldRequest): Promise<void> {
  for (const hold of [request(), request()]) {
    if (hold.mode === 'read') await stand(backend, hold);
    else await take(backend, hold);
    expect(await backend.renew([{ ...hold, ttlMs: 10_000 }], callOf())).toEqual([true]);
    expect(await free(backend, hold)).toBe(true);
  }
}

async function listed(backend: LockBackend<bigint>): Promise<readonly string[]> {
  const names: string[] = [];
  for await (const { name } of backend.list?.('', callOf()) ?? []) names.push(name);
  return names;
}

describe('an access list that gives its own maker no permission to', () => {
  const letters = { create: 'c', delete: 'd', read: 'r', write: 'w', administer: 'a' } as const;
  const backendWithout = (root: string, permission: Permission): LockBackend<bigint> => {
    const permissions = 'cdrwa'.replace(letters[permission], '');
    return zooKeeper.backend({ root, acl: [{ scheme: 'world', id: 'anyone', permissions }] });
  };

  describe.each(['create', 'delete', 'read', 'write'] as const)('%s', (permission) => {
    it.each(kindNames)('is refused at once when %s is asked for, in nodes of its own and of others, and leaves nothing', async (kind) => {
      const { directory, request } = kinds[kind];
      const root = await openRoot();
      const backend = backendWithout(root, permission);
      const name = newName();
      expect(await refused(attempt(backend, request(name)))).toContain('acl');
      await refused(stand(backend, request(name)));
      await zooKeeper.admin.create(`${root}/${directory}/theirs`);
      await refused(attempt(backend, request('theirs')));
      await refused(stand(backend, request('theirs')));
      expect(await zooKeeper.admin.children(`${root}/${directory}`)).not.toContain(name);
      expect(await zooKeeper.admin.children(`${root}/${directory}/theirs`)).toEqual([]);
      await until('the sessions are over', async () => (await zooKeeper.admin.children(`${root}/sessions`)).length <= 1);
    });

    it('is refused whatever is asked', async () => {
      const backend = backendWithout(await openRoot(), permission);
      await refused(backend.marks?.set('done', 1000, callOf()));
      await refused(backend.marks?.has('done', callOf()));
      await refused(backend.inspect('name', 'lock', callOf()));
      await refused(listed(backend));
      await refused(backend.checkHealth(callOf()));
    });
  });

  it('administer does no harm', async () => {
    const backend = backendWithout(await openRoot(), 'administer');
    for (const { request } of Object.values(kinds)) await worksFor(backend, () => request('name'));
    expect(await backend.marks?.set('done', 1000, callOf())).toBe(true);
    expect(await backend.marks?.has('done', callOf())).toBe(true);
  });
});

describe("a name's node that others have made, under which this user may not", () => {
  it.each(kindNames.flatMap((kind) => (['create', 'read'] as const).map((permission) => [permission, kind] as const)))(
    '%s, is refused at once when %s is asked for, and nothing stays there',
    async (permission, kind) => {
      const { directory, request } = kinds[kind];
      const root = await openRoot();
      const path = `${root}/${directory}/name`;
      await zooKeeper.admin.create(path);
      await zooKeeper.admin.allow(path, allBut(permission, ADMINISTER));
      const backend = zooKeeper.backend({ root });
      await refused(attempt(backend, request('name')));
      await refused(stand(backend, request('name')));
      await zooKeeper.admin.allow(path, ALL);
      await until('nothing stays', async () => (await zooKeeper.admin.children(path)).length === 0);
    },
  );

  it.each(kindNames)(
    'delete, is refused when %s is asked for, and no more than one node stays until there is the permission',
    async (kind) => {
      const { directory, request } = kinds[kind];
      const root = await openRoot();
      const path = `${root}/${directory}/name`;
      await zooKeeper.admin.create(path);
      await zooKeeper.admin.allow(path, allBut('delete', ADMINISTER));
      const backend = zooKeeper.backend({ root });
      for (let tries = 0; tries < 3; tries += 1) {
        await refused(attempt(backend, request('name')));
        await refused(stand(backend, request('name')));
      }
      expect((await zooKeeper.admin.children(path)).length).toBe(1);
      await zooKeeper.admin.allow(path, ALL);
      await until('nothing stays', async () => (await zooKeeper.admin.children(path)).length === 0);
      await worksFor(backend, () => request('name'));
    },
  );

  it.each(kindNames)('write or administer, serves %s', async (kind) => {
    const { directory, request } = kinds[kind];
    const root = await openRoot();
    const path = `${root}/${directory}/name`;
    await zooKeeper.admin.create(path);
    await zooKeeper.admin.allow(path, allBut('write', ADMINISTER) & allBut('administer', 0));
    const backend = zooKeeper.backend({ root });
    await worksFor(backend, () => request('name'));
  });
});

describe("a holder's node that this user may not read", () => {
  it.each(kindNames.filter((kind) => kind !== 'a reader'))('refuses who would wait for %s, and only that', async (kind) => {
    const { directory, kind: lockKind, request } = kinds[kind];
    const root = await openRoot();
    const [mine, theirs] = [zooKeeper.backend({ root }), zooKeeper.backend({ root })];
    const holder = request('name');
    await take(theirs, holder);
    const path = `${root}/${directory}/name`;
    const [node] = await zooKeeper.admin.children(path);
    await zooKeeper.admin.allow(`${path}/${node}`, allBut('read', ADMINISTER));
    expect((await attempt(mine, request('name'))).granted).toBe(false);
    await refused(stand(mine, request('name')));
    await until('nothing else stays', async () => (await zooKeeper.admin.children(path)).length === 1);
    expect((await mine.inspect('name', lockKind, callOf())).holders).toMatchObject([{ label: null, fencingToken: null }]);
    expect(await free(theirs, holder)).toBe(true);
    await worksFor(mine, () => request('name'));
  });
});
