import {
  isLockError,
  LockArgumentError,
  LockClosedError,
  LockError,
  LockLostError,
  LockReentryError,
  LockTimeoutError,
  LockUnavailableError,
  LockUnsupportedError,
  StaleTokenError,
} from '@holdfast/core';
import { describe, expect, it } from 'vitest';
// The sources beside the built package are a second copy, as a duplicated install would be.
import { isLockError as isLockErrorOfOtherCopy, LockClosedError as ClosedErrorOfOtherCopy } from '../src/errors.js';

const where = { lockName: 'x', backend: 'memory' };
const all: readonly LockError[] = [
  new LockTimeoutError('m', { ...where, waitedMs: 5 }),
  new LockLostError('m', { ...where, reason: 'deadline', fencingToken: 7n }),
  new LockUnavailableError('m', where),
  new LockReentryError('m', where),
  new LockArgumentError('m', { ...where, option: 'ttlMs' }),
  new LockUnsupportedError('m', { ...where, capability: 'list' }),
  new LockClosedError('m', where),
  new StaleTokenError('m', { ...where, fencingToken: 7n, seenToken: 8n }),
];

describe('an error of Holdfast', () => {
  it.each(all.map((error) => [error.constructor.name, error] as const))('%s says what it is and where it happened', (name, error) => {
    expect(error).toBeInstanceOf(LockError);
    expect(error).toMatchObject({ name, message: 'm', lockName: 'x', backend: 'memory' });
    expect(error.code).toMatch(/^LOCK_[A-Z_]+$/);
    expect(error.stack).toContain('errors.test');
  });

  it('has a code of its own in each class', () => {
    expect(new Set(all.map((error) => error.code)).size).toBe(all.length);
  });

  it('says null where name and backend are not known', () => {
    expect(new LockClosedError('m')).toMatchObject({ lockName: null, backend: null });
  });

  it('has no cause unless there is one', () => {
    expect(Object.hasOwn(new LockClosedError('m'), 'cause')).toBe(false);
    expect(new LockClosedError('m', { cause: 'why' }).cause).toBe('why');
  });

  it('defaults to what is safe to assume', () => {
    expect(new LockUnavailableError('m').retryable).toBe(true);
    expect(new LockUnavailableError('m', { retryable: false }).retryable).toBe(false);
    expect(new LockTimeoutError('m', { waitedMs: 1 }).holders).toEqual([]);
    expect(new LockLostError('m', { reason: 'taken' }).fencingToken).toBeNull();
    expect('outcome' in new LockLostError('m', { reason: 'taken' })).toBe(false);
  });
});

describe('isLockError', () => {
  it('recognises every class, and by its code only that one', () => {
    for (const error of all) {
      expect(isLockError(error)).toBe(true);
      for (const other of all) expect(isLockError(error, other.code)).toBe(error === other);
    }
  });

  it('recognises the errors of another copy of the package', () => {
    const foreign = new ClosedErrorOfOtherCopy('m');
    expect(foreign).not.toBeInstanceOf(LockError);
    expect(isLockError(foreign, 'LOCK_CLOSED')).toBe(true);
    expect(isLockErrorOfOtherCopy(new LockClosedError('m'), 'LOCK_CLOSED')).toBe(true);
  });

  it.each([undefined, null, 'LOCK_CLOSED', 0, new Error('m'), { code: 'LOCK_CLOSED' }, () => {}])('is false for %s', (value) => {
    expect(isLockError(value)).toBe(false);
    expect(isLockError(value, 'LOCK_CLOSED')).toBe(false);
  });

  it('is false for what cannot be looked at', () => {
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    expect(isLockError(proxy)).toBe(false);
  });
});

describe('toJSON', () => {
  it('writes fencing tokens as decimal strings, also those of holders', () => {
    const lost = new LockLostError('gone', { ...where, reason: 'deadline', fencingToken: 2n ** 60n });
    expect(JSON.parse(JSON.stringify(lost))).toEqual({
      name: 'LockLostError',
      code: 'LOCK_LOST',
      message: 'gone',
      lockName: 'x',
      backend: 'memory',
      reason: 'deadline',
      fencingToken: String(2n ** 60n),
    });
    const holder = { label: 'me', mode: 'exclusive', permits: 1, remainingMs: 3, fencingToken: 9n } as const;
    const late = new LockTimeoutError('late', { ...where, waitedMs: 5, holders: [holder] });
    expect(JSON.parse(JSON.stringify(late))).toMatchObject({ waitedMs: 5, holders: [{ ...holder, fencingToken: '9' }] });
  });

  it('writes how the task ended, with an error of ours inside', () => {
    const inner = new LockLostError('inner', { reason: 'taken', fencingToken: 1n });
    const lost = new LockLostError('outer', { reason: 'deadline', outcome: { status: 'rejected', reason: inner } });
    expect(JSON.parse(JSON.stringify(lost))).toMatchObject({
      outcome: { status: 'rejected', reason: { message: 'inner', fencingToken: '1' } },
    });
    const plain = new LockLostError('outer', { reason: 'deadline', outcome: { status: 'rejected', reason: new TypeError('bad') } });
    expect(JSON.parse(JSON.stringify(plain))).toMatchObject({ outcome: { reason: { name: 'TypeError', message: 'bad' } } });
  });

  it('writes of a cause only its message', () => {
    const cause = Object.assign(new Error('refused'), { command: { args: ['secret'] } });
    const text = JSON.stringify(new LockUnavailableError('m', { cause }));
    expect(JSON.parse(text)).toMatchObject({ cause: 'refused', retryable: true });
    expect(text).not.toContain('secret');
    expect(JSON.stringify(new LockUnavailableError('m', { cause: { password: 'secret' } }))).not.toContain('secret');
  });
});
