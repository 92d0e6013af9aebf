import { Buffer } from 'node:buffer';
import { LockArgumentError } from './errors.js';

/** The longest name, in bytes of UTF-8. */
export const MAX_NAME_BYTES = 512;

/**
 * Any 1 to 512 bytes of well-formed Unicode are a name; none is another's alias. A lone surrogate is refused because
 * every encoder turns it into the same replacement character, which would alias two names.
 *
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT
 */
export function checkName(where: string, name: unknown, option = 'name'): asserts name is string {
  if (typeof name !== 'string') {
    const given = name === null ? 'null' : Array.isArray(name) ? 'an array' : `of type ${typeof name}`;
    const advice = Array.isArray(name) ? ' (acquireAll and withAll take several)' : '';
    throw new LockArgumentError(`${where}: ${option} is ${given}; it must be a string${advice}`, { option });
  }
  if (name.length === 0) throw new LockArgumentError(`${where}: ${option} is empty; it must be 1 to ${MAX_NAME_BYTES} bytes`, { option });
  // Each UTF-16 unit is at most 3 bytes, so a short name needs no count.
  if (name.length > MAX_NAME_BYTES / 3 && Buffer.byteLength(name) > MAX_NAME_BYTES) {
    throw new LockArgumentError(
      `${where}: ${option} is ${Buffer.byteLength(name)} bytes long; it must be 1 to ${MAX_NAME_BYTES} bytes of UTF-8`,
      {
        option,
      },
    );
  }
  if (!name.isWellFormed()) {
    throw new LockArgumentError(`${where}: ${option} holds a lone surrogate; it must be well-formed Unicode`, { option });
  }
}
