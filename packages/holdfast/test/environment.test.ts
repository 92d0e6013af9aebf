import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { isLockError } from 'holdfast';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { secretFromEnvironment, urlFromEnvironment, withPassword } from '../src/environment.js';
import { temporaryFolder } from './cli-process.js';

afterEach(() => vi.unstubAllEnvs());

/** What is wrong, in words that show no secret. */
function refusal(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    if (isLockError(error, 'LOCK_INVALID_ARGUMENT')) return error.message;
    throw error;
  }
  return expect.fail('it was taken');
}

describe('a secret of the environment', () => {
  it('stands in the variable, or in the file that its _FILE names, without the white space around it', () => {
    using folder = temporaryFolder();
    const file = join(folder.path, 'secret');
    expect(secretFromEnvironment('HF_TEST')).toBeUndefined();
    vi.stubEnv('HF_TEST', ' a ');
    expect(secretFromEnvironment('HF_TEST')).toBe('a');
    vi.stubEnv('HF_TEST', ' ');
    vi.stubEnv('HF_TEST_FILE', file);
    writeFileSync(file, '\uFEFF from the file\r\n');
    expect(secretFromEnvironment('HF_TEST')).toBe('from the file');
  });

  it('is refused where both are set, and where the file is missing, empty, of several lines or too large; never shown', () => {
    using folder = temporaryFolder();
    const file = join(folder.path, 'secret');
    vi.stubEnv('HF_TEST_FILE', file);
    const call = (): unknown => secretFromEnvironment('HF_TEST');
    expect(refusal(call)).toContain('ENOENT');
    for (const text of ['', ' \n', 'SECRET\nSECRET', 'SECRET'.repeat(20_000)]) {
      writeFileSync(file, text);
      expect(refusal(call)).not.toContain('SECRET');
    }
    // It never ends.
    vi.stubEnv('HF_TEST_FILE', '/dev/zero');
    expect(refusal(call)).toContain('too large');
    vi.stubEnv('HF_TEST_FILE', folder.path);
    expect(refusal(call)).toContain('EISDIR');
    vi.stubEnv('HF_TEST', 'SECRET');
    expect(refusal(call)).toMatch(/both HF_TEST and HF_TEST_FILE/);
  });
});

describe('the password of the environment', () => {
  it.each([
    ['redis://cache:6379/1?prefix=a:', 'redis://:p%40s%2Fs@cache:6379/1?prefix=a:'],
    ['postgres://app@db/shop', 'postgres://app:p%40s%2Fs@db/shop'],
    ['redlock://a:1,b:2,c:3', 'redlock://:p%40s%2Fs@a:1,b:2,c:3'],
    ['redis+sentinel://app@a:1,b:2/name', 'redis+sentinel://app:p%40s%2Fs@a:1,b:2/name'],
  ])('is put into %s', (url, expected) => {
    vi.stubEnv('HOLDFAST_PASSWORD', 'p@s/s');
    expect(withPassword(url)).toBe(expected);
    vi.stubEnv('HOLDFAST_URL', url);
    expect(urlFromEnvironment()).toBe(expected);
  });

  it('is refused where the URL has one, or no place for one', () => {
    vi.stubEnv('HOLDFAST_PASSWORD', 'SECRET');
    for (const url of ['redis://:HIDDEN@cache', 'redis://app:HIDDEN@cache', 'memory:']) {
      expect(refusal(() => withPassword(url))).not.toMatch(/SECRET|HIDDEN/);
    }
    vi.stubEnv('HOLDFAST_PASSWORD', undefined);
    using folder = temporaryFolder();
    const file = join(folder.path, 'password');
    writeFileSync(file, 'SECRET');
    vi.stubEnv('HOLDFAST_PASSWORD_FILE', file);
    expect(refusal(() => withPassword('redis://:HIDDEN@cache'))).toMatch(/^HOLDFAST_PASSWORD_FILE is set/);
    vi.stubEnv('HOLDFAST_PASSWORD_FILE', undefined);
    expect(withPassword('redis://app:HIDDEN@cache')).toBe('redis://app:HIDDEN@cache');
  });
});
