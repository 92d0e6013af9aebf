import { Buffer } from 'node:buffer';
import { closeSync, openSync, readSync } from 'node:fs';

/**
 * What stands in a file that is known to be small. What never ends, such as a device, is read no further.
 *
 * @param file a path, or the number of an open file
 * @returns null when there is more than `maxBytes`
 */
export function readSmall(file: string | number, maxBytes: number): string | null {
  const bytes = Buffer.alloc(maxBytes + 1);
  const descriptor = typeof file === 'number' ? file : openSync(file, 'r');
  let length = 0;
  try {
    for (let read = -1; read !== 0 && length < bytes.length; length += read)
      read = readSync(descriptor, bytes, length, bytes.length - length, null);
  } finally {
    if (typeof file === 'string') closeSync(descriptor);
  }
  return length > maxBytes ? null : bytes.toString('utf8', 0, length);
}
