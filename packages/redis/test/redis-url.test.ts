import { isLockError } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import { parseRedisUrl } from '../src/redis-url.js';

const plain = { kind: 'standalone', tls: false, username: null, password: null, db: 0, masterName: null };

describe('a URL', () => {
  it.each([
    ['redis://localhost', { ...plain, hosts: [{ host: 'localhost', port: 6379 }] }],
    ['redis://', { ...plain, hosts: [{ host: 'localhost', port: 6379 }] }],
    ['REDIS://h:1/', { ...plain, hosts: [{ host: 'h', port: 1 }] }],
    ['rediss://u:p%40ss@h:1/2', { ...plain, tls: true, username: 'u', password: 'p@ss', db: 2, hosts: [{ host: 'h', port: 1 }] }],
    ['redis://:p@ss:word@h', { ...plain, password: 'p@ss:word', hosts: [{ host: 'h', port: 6379 }] }],
    ['redis://[::1]:7000', { ...plain, hosts: [{ host: '::1', port: 7000 }] }],
    [
      'redis+cluster://a:1,b,[::1]:3',
      {
        ...plain,
        kind: 'cluster',
        hosts: [
          { host: 'a', port: 1 },
          { host: 'b', port: 6379 },
          { host: '::1', port: 3 },
        ],
      },
    ],
    ['rediss+cluster://u:p@a:1', { ...plain, kind: 'cluster', tls: true, username: 'u', password: 'p', hosts: [{ host: 'a', port: 1 }] }],
    [
      'redis+sentinel://a,b:2/my%20master/4',
      {
        ...plain,
        kind: 'sentinel',
        masterName: 'my master',
        db: 4,
        hosts: [
          { host: 'a', port: 26379 },
          { host: 'b', port: 2 },
        ],
      },
    ],
  ])('%s is read', (url, target) => {
    expect(parseRedisUrl(url)).toEqual(target);
  });

  it.each([
    'secret',
    'http://secret@h',
    'redis://:secret@a,b',
    'redis+cluster://:secret@a:1,:secret@b:2',
    'redis+sentinel://u:secret@a,u:secret@b/m',
    'redis://:secret@h:0',
    `redis://:secret@${'secret'.repeat(50)}`,
    'redis://:secret@h:99999',
    'redis://:secret@h:x',
    'redis://:secret@h/x',
    'redis://:secret@h?x=1',
    'redis://:secret@h#x',
    'redis://:secret%@h',
    'redis://:secret@::1',
    'redis+cluster://:secret@a/1',
    'redis+sentinel://:secret@a',
    'redis+sentinel://:secret@a/m/1/2',
  ])('%s is refused, and not shown', (url) => {
    let thrown: unknown;
    try {
      parseRedisUrl(url);
    } catch (error) {
      thrown = error;
    }
    expect(isLockError(thrown, 'LOCK_INVALID_ARGUMENT') && thrown.option).toBe('url');
    expect(String(thrown)).not.toContain('secret');
  });
});
