import { isNoScript } from './redis-error.js';
import type { RedisScript } from './redis-port.js';

/** Runs a script by its name, and by its whole text where the server does not know it. @param send sends a command */
export function runScript(
  { sha, source }: RedisScript,
  keys: readonly string[],
  args: readonly string[],
  send: (words: readonly string[]) => Promise<unknown>,
): Promise<unknown> {
  const words = [String(keys.length), ...keys, ...args];
  return send(['EVALSHA', sha, ...words]).then(undefined, (error: unknown) => {
    if (!isNoScript(error)) throw error;
    // It has not run, so it may be sent again; only this time does the whole text travel.
    return send(['EVAL', source, ...words]);
  });
}
