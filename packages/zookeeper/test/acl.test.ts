import { createHash } from 'node:crypto';
import { isLockError } from '@holdfast/core';
import { attempt, callOf, free, newName, requestOf, take } from '@holdfast/test/backend';
import { describe, expect, it } from 'vitest';
import { newRoot, useZooKeeper } from './zookeeper-harness.js';

const zooKeeper = useZooKeeper();

async function refusalOf(promise: Promise<unknown>): Promise<{ readonly retryable: boolean; readonly text: string }> {
  const error = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  if (!isLockError(error, 'LOCK_BACKEND_UNAVAILABLE')) throw new Error('not refused', { cause: error });
  return { retryable: error.retryable, text: `${JSON.stringify(error)} ${error.stack} ${String(error.cause)}` };
}

it('those who authenticate in the same way share the locks, others are refused permanently', async () => {
  const root = newRoot();
  const auth = { credentials: 'team:secret-word' };
  const [mine, theirs] = [zooKeeper.backend({ root, auth }), zooKeeper.backend({ root, auth })];
  const name = newName();
  const request = requestOf(name);
  await take(mine, request);
  expect((await attempt(theirs, requestOf(name))).granted).toBe(false);
  expect((await theirs.inspect(name, 'lock', callOf())).holders).toMatchObject([{ label: 'test:1' }]);
  expect(await mine.marks?.set('done', 60_000, callOf())).toBe(true);

  for (const stranger of [zooKeeper.backend({ root }), zooKeeper.backend({ root, auth: { credentials: 'other:secret-word' } })]) {
    const start = performance.now();
    const { retryable, text } = await refusalOf(stranger.attempt([requestOf(name)], callOf()));
    expect(retryable).toBe(false);
    expect(text).toContain('NO_AUTH');
    expect(text).not.toContain('secret-word');
    expect(performance.now() - start).toBeLessThan(2000);
  }
  expect(await free(mine, request)).toBe(true);
});

it('a URL may carry the user', async () => {
  const root = newRoot();
  const url = `zookeeper://team:word@127.0.0.1:${zooKeeper.server.port}`;
  const backend = zooKeeper.backend({ root, connectionString: url });
  const request = requestOf(newName());
  await take(backend, request);
  expect(await free(backend, request)).toBe(true);
  expect((await refusalOf(zooKeeper.backend({ root }).attempt([request], callOf()))).retryable).toBe(false);
});

it('a list may name others by their digest, and shut out its maker', async () => {
  const root = newRoot();
  const digest = (user: string): string => `${user.slice(0, user.indexOf(':'))}:${createHash('sha1').update(user).digest('base64')}`;
  const acl = ['shop:word', 'ops:word'].map((user) => ({ scheme: 'digest', id: digest(user), permissions: 'cdrw' }));
  const name = newName();
  const request = requestOf(name);
  const shop = zooKeeper.backend({ root, acl, auth: { credentials: 'shop:word' } });
  await take(shop, request);
  expect((await attempt(zooKeeper.backend({ root, acl, auth: { credentials: 'ops:word' } }), requestOf(name))).granted).toBe(false);
  expect((await refusalOf(zooKeeper.backend({ root, acl }).attempt([requestOf(name)], callOf()))).retryable).toBe(false);
  expect(await free(shop, request)).toBe(true);
});

it('the least permissions are create, delete, read and write on the nodes under the root', async () => {
  const root = newRoot();
  const acl = [{ scheme: 'world', id: 'anyone', permissions: 'cdrw' }];
  const backend = zooKeeper.backend({ root, acl });
  const requests = [requestOf('a'), requestOf('a', 'read')];
  for (const request of requests) await take(backend, request);
  expect(
    await backend.renew(
      requests.map((request) => ({ ...request, ttlMs: 1000 })),
      callOf(),
    ),
  ).toEqual([true, true]);
  expect(await backend.forceRelease('a', 'lock', callOf())).toBe(true);
  expect(await backend.release(requests, callOf())).toEqual([false, true]);
  expect(await backend.marks?.set('done', 10, callOf())).toBe(true);
});

it('a chroot that is missing is made', async () => {
  const root = newRoot();
  const backend = zooKeeper.backend({ root: '/locks', connectionString: `127.0.0.1:${zooKeeper.server.port}${root}/deep` });
  const request = requestOf(newName());
  await take(backend, request);
  expect(await zooKeeper.admin.children(`${root}/deep/locks/locks`)).toEqual([request.name]);
  expect(await free(backend, request)).toBe(true);
});

describe('nodes that an operator has made, with permissions below them only', () => {
  const READ_AND_ADMINISTER = 17;

  it('a chroot is used as it is, from the first call on', async () => {
    const chroot = newRoot();
    await zooKeeper.admin.create(chroot);
    await zooKeeper.admin.create(`${chroot}/team`);
    await zooKeeper.admin.allow(chroot, READ_AND_ADMINISTER);
    const backend = zooKeeper.backend({ root: '/locks', connectionString: `127.0.0.1:${zooKeeper.server.port}${chroot}/team` });
    const request = requestOf(newName());
    await take(backend, request);
    expect(await free(backend, request)).toBe(true);
    expect(await backend.marks?.set('done', 1000, callOf())).toBe(true);
    await zooKeeper.admin.allow(chroot, 31);
    await zooKeeper.admin.removeAll(chroot);
  });

  it('a directory that is missing is made again where that is allowed', async () => {
    const chroot = newRoot();
    const connectionString = `127.0.0.1:${zooKeeper.server.port}${chroot}`;
    const first = zooKeeper.backend({ root: '/locks', connectionString });
    const request = requestOf(newName());
    await take(first, request);
    expect(await free(first, request)).toBe(true);
    await zooKeeper.admin.allow(chroot, READ_AND_ADMINISTER);
    await zooKeeper.admin.removeAll(`${chroot}/locks/sessions`);
    await zooKeeper.admin.removeAll(`${chroot}/locks/locks`);
    const second = zooKeeper.backend({ root: '/locks', connectionString });
    await take(second, request);
    expect(await free(second, request)).toBe(true);
    await zooKeeper.admin.allow(chroot, 31);
    await zooKeeper.admin.removeAll(chroot);
  });

  it('a node of a name is used though no other name may be made', async () => {
    const root = newRoot();
    const backend = zooKeeper.backend({ root });
    const request = requestOf('given');
    await take(backend, request);
    expect(await free(backend, request)).toBe(true);
    await zooKeeper.admin.create(`${root}/locks/kept`);
    await zooKeeper.admin.allow(`${root}/locks`, READ_AND_ADMINISTER);
    const kept = requestOf('kept');
    await take(backend, kept);
    expect(await free(backend, kept)).toBe(true);
    expect((await refusalOf(backend.attempt([requestOf('other')], callOf()))).retryable).toBe(false);
    await zooKeeper.admin.allow(`${root}/locks`, 31);
  });

  it('a root that nobody made and this user may not make is refused permanently', async () => {
    const chroot = newRoot();
    await zooKeeper.admin.create(chroot);
    await zooKeeper.admin.allow(chroot, READ_AND_ADMINISTER);
    const backend = zooKeeper.backend({ root: '/locks', connectionString: `127.0.0.1:${zooKeeper.server.port}${chroot}` });
    const { retryable, text } = await refusalOf(backend.attempt([requestOf(newName())], callOf()));
    expect(retryable).toBe(false);
    expect(text).toContain('NO_AUTH');
    await zooKeeper.admin.allow(chroot, 31);
    await zooKeeper.admin.removeAll(chroot);
  });
});

it('a listing goes on beside names and requests that this user may not read', async () => {
  const root = newRoot();
  const CREATE = 4;
  const ADMINISTER = 16;
  const backend = zooKeeper.backend({ root });
  const [mine, closed] = [requestOf('mine'), requestOf('closed')];
  await take(backend, mine);
  await take(backend, closed);
  const [node] = await zooKeeper.admin.children(`${root}/locks/closed`);
  await zooKeeper.admin.allow(`${root}/locks/closed/${node}`, CREATE + ADMINISTER);
  await zooKeeper.admin.create(`${root}/locks/hidden`);
  await zooKeeper.admin.allow(`${root}/locks/hidden`, CREATE + ADMINISTER);
  const states = [];
  for await (const state of backend.list?.('', callOf()) ?? []) states.push(state);
  expect(states.map(({ name }) => name).toSorted()).toEqual(['closed', 'mine']);
  expect(states.find(({ name }) => name === 'closed')?.holders).toMatchObject([{ label: null, mode: 'exclusive', fencingToken: null }]);
  expect((await refusalOf(backend.inspect('hidden', 'lock', callOf()))).retryable).toBe(false);
  await zooKeeper.admin.allow(`${root}/locks/hidden`, 31);
});
