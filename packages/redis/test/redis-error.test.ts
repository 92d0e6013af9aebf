import { isLockError } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import { unavailable } from '../src/redis-error.js';

describe('errors of the driver', () => {
  it.each([
    ['NOAUTH Authentication required.', false],
    ['WRONGPASS invalid username-password pair or user is disabled.', false],
    ["NOPERM this user has no permissions to run the 'evalsha' command", false],
    [
      'ERR Error running script (call to f_1): @user_script:3: @user_script: 3: -OOM command not allowed when used memory > maxmemory',
      true,
    ],
    ['ERR user_script:3: WRONGTYPE Operation against a key holding the wrong kind of value', false],
    ["READONLY You can't write against a read only replica.", true],
    ['MISCONF Redis is configured to save RDB snapshots', true],
    ['LOADING Redis is loading the dataset in memory', true],
    ['CLUSTERDOWN Hash slot not served', true],
    ["CROSSSLOT Keys in request don't hash to the same slot", false],
    ['MOVED 1 10.0.0.1:7000', false],
    ["ERR The user executing the script can't run this command or subcommand script: 1, on @user_script:3.", false],
    ["ERR ACL failure in script: User u has no permissions to run the 'time' command script: 4d58, on @user_script:1.", false],
    ['ERR invalid password', false],
    ['ERR DB index is out of range', false],
    ["ERR unknown command 'EVALSHA', with args beginning with: 'token-secret'", false],
    ['ERR Error running script (call to f_1): @user_script:6: @user_script: 6: -ERR syntax error', false],
    ['ERR Error running script (call to f_1): @user_script:6: @user_script: 6: Unknown Redis command called from Lua script', false],
    ["ERR unknown command 'sentinel', with args beginning with: 'token-secret'", false],
    ['ERR This instance has cluster support disabled', false],
    ['ERR max number of clients reached', true],
    ['Connection is closed.', true],
    ["Stream isn't writeable and enableOfflineQueue options is false", true],
    ['All sentinels are unreachable. Retrying from scratch after 10ms.', true],
    ['something quite new with token-secret', true],
  ])('%s', (message, retryable) => {
    const error = unavailable(Object.assign(new Error(message), { command: { name: 'evalsha', args: ['token-secret'] } }), 'a lock');
    expect(isLockError(error, 'LOCK_BACKEND_UNAVAILABLE') && error.retryable).toBe(retryable);
    expect(error).toMatchObject({ lockName: 'a lock', backend: 'redis' });
    expect(JSON.stringify([error, error.message, error.stack, error.cause, (error.cause as Error).message])).not.toContain('token-secret');
    expect(Object.keys(error.cause as Error)).toEqual([]);
  });

  it('names the command that a server lacks, renamed or disabled as it may be', () => {
    const { message } = unavailable(new Error("ERR unknown command 'EVALSHA', with args beginning with: 'token-secret'"));
    expect(message).toContain('the command EVALSHA');
    expect(message).toContain('renamed');
  });

  it.each([
    ['ECONNREFUSED', true],
    ['ETIMEDOUT', true],
    ['ENOTFOUND', true],
    ['DEPTH_ZERO_SELF_SIGNED_CERT', false],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', false],
    ['ERR_TLS_CERT_ALTNAME_INVALID', false],
    ['CERT_HAS_EXPIRED', false],
  ])('with the code %s', (code, retryable) => {
    const error = unavailable(Object.assign(new Error('connect to 10.0.0.1:6379'), { code }));
    expect(isLockError(error, 'LOCK_BACKEND_UNAVAILABLE') && error.retryable).toBe(retryable);
    expect(error.message).toContain(code);
    expect(error.message).not.toContain('10.0.0.1');
  });
});
