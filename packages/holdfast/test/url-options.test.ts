import { isLockError, rule } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import { takeUrlOptions } from '../src/url-options.js';

const rules = {
  prefix: rule.string,
  fair: rule.boolean,
  ttlMs: rule.duration({ min: 1 }),
  waitMs: rule.duration({ infinity: true }),
  mode: rule.oneOf('a', 'b'),
  onEvent: rule.function,
};
const take = (url: string) => takeUrlOptions('connect', url, rules);
const failure = (url: string): string => {
  try {
    take(url);
  } catch (error) {
    if (isLockError(error, 'LOCK_INVALID_ARGUMENT')) return error.message;
  }
  throw new Error('it was accepted');
};

describe('options in the URL', () => {
  it('are read as what their rules want', () => {
    expect(take('redis://h:1/0?prefix=123&fair=true&ttlMs=500&waitMs=Infinity&mode=b')).toEqual({
      url: 'redis://h:1/0',
      options: { prefix: '123', fair: true, ttlMs: 500, waitMs: Number.POSITIVE_INFINITY, mode: 'b' },
    });
  });

  it('may be escaped', () => {
    expect(take('redis://h?prefix=a%26b%3A%40%23').options).toEqual({ prefix: 'a&b:@#' });
  });

  it('leave a URL without any as it is', () => {
    expect(take('redis://u:p@h1:1,h2:2')).toEqual({ url: 'redis://u:p@h1:1,h2:2', options: {} });
    expect(take('redis://h?')).toEqual({ url: 'redis://h', options: {} });
  });

  it('are refused when unknown, twice, or of the wrong kind, and no value is shown', () => {
    expect(failure('redis://h?prefx=SECRET')).toMatch(/unknown option "prefx"; did you mean prefix\?$/);
    expect(failure('redis://h?colour=SECRET')).toMatch(/unknown option "colour".*prefix, fair, ttlMs, waitMs, mode$/);
    expect(failure('redis://h?prefix=SECRET&prefix=SECRET')).toMatch(/prefix is twice/);
    expect(failure('redis://h?ttlMs=SECRET')).toMatch(/ttlMs in the URL must be an integer/);
    expect(failure('redis://h?fair=SECRET')).toMatch(/fair in the URL must be true or false/);
    expect(failure('redis://h?onEvent=SECRET')).toMatch(/onEvent in the URL must be a function/);
    expect(failure('redis://h?ttlMs=0')).toMatch(/ttlMs/);
    expect(failure('redis://h?__proto__=SECRET')).toMatch(/unknown option "__proto__"/);
    for (const url of ['prefx=SECRET', 'prefix=SECRET&prefix=SECRET', 'ttlMs=SECRET', 'onEvent=SECRET']) {
      expect(failure(`redis://h?${url}`)).not.toContain('SECRET');
    }
  });

  it('are not mistaken for a password with a ? or a #', () => {
    for (const url of ['redis://u:p?SECRET@h', 'redis://u:p#SECRET@h', 'redis://u:p?SECRET&prefix=SECRET@h', 'redis://h#SECRET']) {
      expect(failure(url)).toMatch(/%3F|%23/);
      expect(failure(url)).not.toContain('SECRET');
    }
  });

  it('are refused where their bytes are not UTF-8, as each such byte would be the same character', () => {
    for (const value of ['%FF', 'caf%E9:', '%EF%BF%BD%FF', '\uFFFD%C3']) expect(failure(`redis://h?prefix=${value}`)).toMatch(/not UTF-8/);
    expect(take('redis://h?prefix=%EF%BF%BD%C3%A9').options).toEqual({ prefix: '\uFFFDé' });
    expect(take('redis://h?prefix=50%').options).toEqual({ prefix: '50%' });
  });
});
