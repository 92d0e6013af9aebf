import { isLockError, systemClock } from '@holdfast/core';
import { createZooKeeperBackend, createZooKeeperLockManager, openBackend, type ZooKeeperBackendOptions } from '@holdfast/zookeeper';
import { describe, expect, it } from 'vitest';
import { resolveZooKeeperOptions } from '../src/zookeeper-options.js';
import { parseConnectionString } from '../src/zookeeper-url.js';

const HOST = { connectionString: 'localhost' };

function refusal(make: () => unknown): { readonly option: string; readonly message: string } {
  try {
    make();
  } catch (error) {
    if (isLockError(error, 'LOCK_INVALID_ARGUMENT')) return error;
    throw error;
  }
  throw new Error('it was taken');
}

describe('a connection string', () => {
  it.each([
    ['localhost', [['localhost', 2181]], ''],
    [
      'a:1,b:2,c',
      [
        ['a', 1],
        ['b', 2],
        ['c', 2181],
      ],
      '',
    ],
    [
      'a:1, b:2/app/locks/',
      [
        ['a', 1],
        ['b', 2],
      ],
      '/app/locks',
    ],
    [
      'zookeeper://a:1,b:2/app',
      [
        ['a', 1],
        ['b', 2],
      ],
      '/app',
    ],
    ['ZK://a/', [['a', 2181]], ''],
    [
      '[::1]:2182,[fe80::1%eth0]',
      [
        ['::1', 2182],
        ['fe80::1%eth0', 2181],
      ],
      '',
    ],
  ] as const)('%s', (text, servers, chroot) => {
    expect(parseConnectionString(text)).toEqual({ servers: servers.map(([host, port]) => ({ host, port })), chroot, credentials: null });
  });

  it('may carry a user and a password', () => {
    expect(parseConnectionString('zookeeper://me:p%40ss%3A@a:1,b/x')).toMatchObject({ credentials: 'me:p@ss:', chroot: '/x' });
    expect(parseConnectionString('me:p@ss@a').credentials).toBe('me:p@ss');
  });

  it.each([
    '',
    ',',
    'a,,b',
    'a:0',
    'a:99999',
    'a b',
    'a:1:2',
    '::1',
    'redis://a',
    'a//b',
    'a/../b',
    'a/./b',
    'a/zookeeper',
    'a/x\u0001',
    'a/x😀',
    'a?x=1',
    'a#x',
    'user@a',
    'u:%zz@a',
    'u:p@a:1,u:p@b:2',
  ])('%j is refused, and not shown', (text) => {
    const { option, message } = refusal(() => parseConnectionString(`${text}`));
    expect(option).toBe('connectionString');
    expect(message).toMatch(/^zookeeper: the connection string given is not usable: /);
  });

  it('is never quoted', () => {
    for (const text of ['me:secret-word@a?x', 'redis://me:secret-word@a', 'me:secret-word%@a', 'secret-word@a']) {
      expect(refusal(() => openBackend(text)).message).not.toContain('secret-word');
    }
  });
});

describe('options', () => {
  it('have their defaults', () => {
    expect(resolveZooKeeperOptions('test', { connectionString: 'a/app' })).toEqual({
      servers: [{ host: 'a', port: 2181 }],
      root: '/app/holdfast',
      timeoutMs: 15_000,
      auth: null,
      acl: [{ permissions: 31, scheme: 'world', id: 'anyone' }],
      clock: systemClock,
    });
    expect(createZooKeeperBackend(HOST).sessionMs).toBe(10_000);
  });

  it('protect the nodes of those who authenticate, unless the options say otherwise', () => {
    const creator = [{ permissions: 31, scheme: 'auth', id: '' }];
    expect(resolveZooKeeperOptions('test', { connectionString: 'me:word@a' })).toMatchObject({
      auth: { scheme: 'digest', credentials: 'me:word' },
      acl: creator,
    });
    expect(resolveZooKeeperOptions('test', { ...HOST, auth: { credentials: 'me:word' } }).acl).toEqual(creator);
    expect(resolveZooKeeperOptions('test', { ...HOST, auth: { scheme: 'x509', credentials: 'x' }, acl: 'open' })).toMatchObject({
      auth: { scheme: 'x509', credentials: 'x' },
      acl: [{ scheme: 'world' }],
    });
    const acl = [
      { scheme: 'ip', id: '10.0.0.0/8', permissions: 'rcdwa' },
      { scheme: 'world', id: 'anyone', permissions: 'r' },
    ];
    expect(resolveZooKeeperOptions('test', { ...HOST, acl }).acl.map(({ permissions }) => permissions)).toEqual([31, 1]);
  });

  it.each<[option: string, options: unknown]>([
    ['connectionString', {}],
    ['connectionString', { connectionString: 7 }],
    ['sessionTimeoutMs', { ...HOST, sessionTimeoutMs: 0 }],
    ['sessionTimeoutMs', { ...HOST, sessionTimeoutMs: Number.POSITIVE_INFINITY }],
    ['root', { ...HOST, root: 'locks' }],
    ['root', { ...HOST, root: '/' }],
    ['root', { ...HOST, root: '/zookeeper/x' }],
    ['auth', { ...HOST, auth: 'me:word' }],
    ['auth', { ...HOST, auth: {} }],
    ['auth', { connectionString: 'me:word@a', auth: { credentials: 'me:word' } }],
    ['acl', { ...HOST, acl: 'creator' }],
    ['acl', { ...HOST, acl: 'closed' }],
    ['acl', { ...HOST, acl: [] }],
    ['acl', { ...HOST, acl: [null] }],
    ['acl', { ...HOST, acl: [{ scheme: 'world', id: 'anyone', permissions: 'rx' }] }],
    ['timeout', { ...HOST, timeout: 1 }],
  ])('%s: a wrong one is named', (option, options) => {
    expect(refusal(() => createZooKeeperBackend(options as ZooKeeperBackendOptions)).option).toBe(option);
    expect(refusal(() => createZooKeeperLockManager(options as ZooKeeperBackendOptions)).option).toBe(option);
  });

  it('of the manager and the backend stand side by side', () => {
    const manager = createZooKeeperLockManager({ ...HOST, root: '/app', ttlMs: 1000, label: 'me', waitMs: undefined });
    expect(manager.backend).toBe('zookeeper');
    expect(manager.capabilities).toMatchObject({ fencing: true, fair: true, push: true, marks: true, list: true, expiry: 'session' });
    expect(refusal(() => createZooKeeperLockManager({ ...HOST, ttlMs: 0 })).option).toBe('ttlMs');
  });
});
