import { env } from 'node:process';
import { LockArgumentError } from '@holdfast/core';
import { readSmall } from './read-small.js';

/** Longer than any URL or password is. */
export const MAX_SECRET_BYTES = 64 * 1024;

/**
 * A secret of the environment: the variable, or what stands in the file that `<variable>_FILE` names, as orchestrators hand secrets over. Without
 * the white space around it; what is empty counts as not set.
 *
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT when both are set, or the file cannot be read; no message shows what stands in either
 */
export function secretFromEnvironment(variable: string): string | undefined {
  const value = env[variable]?.trim() || undefined;
  const file = env[`${variable}_FILE`]?.trim() || undefined;
  if (file === undefined) return value;
  const fail = (message: string): LockArgumentError => new LockArgumentError(message, { option: variable });
  if (value !== undefined) throw fail(`both ${variable} and ${variable}_FILE are set; set one`);
  let text: string | null;
  try {
    text = readSmall(file, MAX_SECRET_BYTES);
  } catch (error) {
    throw fail(`${variable}_FILE: ${JSON.stringify(file)} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'unknown failure'})`);
  }
  if (text === null) throw fail(`${variable}_FILE: ${JSON.stringify(file)} is too large to be a secret`);
  const secret = text.replace(/^\uFEFF/, '').trim();
  if (secret === '') throw fail(`${variable}_FILE: ${JSON.stringify(file)} is empty`);
  if (/[\r\n]/.test(secret)) throw fail(`${variable}_FILE: ${JSON.stringify(file)} has more than one line`);
  return secret;
}

const URL_VARIABLE = 'HOLDFAST_URL';
const PASSWORD_VARIABLE = 'HOLDFAST_PASSWORD';

/** The store that the environment names, with its password; undefined when it names none. @throws LockArgumentError */
export function urlFromEnvironment(): string | undefined {
  const url = secretFromEnvironment(URL_VARIABLE);
  if (url === undefined) return undefined;
  refuseBrokenUrl(URL_VARIABLE, url);
  return withPassword(url);
}

/**
 * Refuses a URL of which bytes were not UTF-8: each such byte has become the same character, so two prefixes would be one.
 *
 * @param where where the URL was given
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT
 */
export function refuseBrokenUrl(where: string, url: string): void {
  if (!url.includes('\uFFFD')) return;
  throw new LockArgumentError(
    `${where}: the URL is not UTF-8, or holds the character U+FFFD, which stands for such bytes; give it in UTF-8, and U+FFFD as %EF%BF%BD`,
    { option: 'url' },
  );
}

/**
 * The URL with the password of the environment, where there is one: so that the URL can stand in a repository.
 *
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT when the URL has a password of its own, or no place for one
 */
export function withPassword(url: string): string {
  const password = secretFromEnvironment(PASSWORD_VARIABLE);
  if (password === undefined) return url;
  const variable = env[PASSWORD_VARIABLE]?.trim() ? PASSWORD_VARIABLE : `${PASSWORD_VARIABLE}_FILE`;
  const fail = (message: string): LockArgumentError =>
    new LockArgumentError(`${variable} is set, and ${message}`, { option: PASSWORD_VARIABLE });
  const [, scheme, authority, rest] = /^([a-z][a-z\d+.-]*:\/\/)([^/?#]*)(.*)$/is.exec(url) ?? [];
  if (scheme === undefined || authority === undefined) throw fail('the URL of the store has no host');
  const at = authority.lastIndexOf('@');
  const user = at < 0 ? '' : authority.slice(0, at);
  if (user.includes(':')) throw fail('the URL has a password too; give one');
  return `${scheme}${user}:${encodeURIComponent(password)}@${authority.slice(at + 1)}${rest}`;
}
