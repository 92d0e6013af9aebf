import { Buffer } from 'node:buffer';
import { checkName, LockArgumentError, MAX_NAME_BYTES } from '@holdfast/core';

/** What a name of ours is for; its first part, so that two uses of one word never meet. */
type Use = 'job' | 'once' | 'period' | 'message' | 'batch';

/**
 * The lock name of a job's element: `job/<job>/<element>`. Slashes and percent signs in all parts but the last are
 * escaped, so that ("a/b", "c") and ("a", "b/c") are two names.
 *
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT for a part that is no name, or when the whole is longer than 512 bytes
 */
export function jobName(where: string, use: Use, parts: Readonly<Record<string, string>>): string {
  const named = Object.entries(parts);
  for (const [option, part] of named) checkName(where, part, option);
  const [option, last] = named.at(-1) ?? ['name', ''];
  const front = [use, ...named.slice(0, -1).map(([, part]) => part.replaceAll('%', '%25').replaceAll('/', '%2F')), ''].join('/');
  const [usedBytes, lastBytes] = [Buffer.byteLength(front), Buffer.byteLength(last)];
  if (usedBytes + lastBytes > MAX_NAME_BYTES) {
    throw new LockArgumentError(
      `${where}: ${option} is ${lastBytes} bytes long, and ${usedBytes} bytes stand before it in the store: both must be ${MAX_NAME_BYTES} bytes of UTF-8 at most`,
      { option },
    );
  }
  return front + last;
}
