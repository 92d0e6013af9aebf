import type { Clock, LockKind } from '@holdfast/core';
import { inParts, within } from '@holdfast/core/backend';
import type { ClientSource } from './client-source.js';
import { type KeySpace, RESERVED_PREFIX } from './key-space.js';
import { unavailable } from './redis-error.js';
import { type RedisPort, serversOf } from './redis-port.js';

/** How many keys the server looks at in one step. */
const COUNT = '1000';
/** So many names are handed out at a time: they are looked at together, and a renewal that is due meanwhile stands behind them. */
const AT_A_TIME = 100;

export interface FoundName {
  readonly name: string;
  readonly kind: LockKind;
}

/** The names of locks, semaphores and read/write locks under a prefix that have a key now, in batches, each name once. */
export async function* scanNames(
  source: ClientSource,
  keySpace: KeySpace,
  prefix: string,
  clock: Clock,
  timeoutMs: number,
): AsyncIterable<readonly FoundName[]> {
  const seen = new Set<string>();
  const lock = escapeGlob(keySpace.prefix + prefix);
  const client = escapeGlob(keySpace.clientPrefix);
  const patterns = [`${client}${lock}*`, `${client}${RESERVED_PREFIX}*}:[pwr]*:${lock}*`];
  try {
    const { port } = (await source.link.open(timeoutMs)).connection;
    for (const node of serversOf(port)) {
      for (const pattern of patterns) {
        for await (const keys of scanKeys(node, pattern, clock, timeoutMs)) {
          const found = keys.flatMap((key) => keySpace.parse(key) ?? []);
          const fresh = found.filter(({ name, kind }) => name.startsWith(prefix) && !seen.has(`${kind} ${name}`));
          // One name may have two keys, and a scan may tell one key twice.
          const batch = new Map(fresh.map((entry) => [`${entry.kind} ${entry.name}`, entry]));
          for (const id of batch.keys()) seen.add(id);
          yield* inParts([...batch.values()], AT_A_TIME);
        }
      }
    }
  } catch (error) {
    throw unavailable(error, null, source.driver);
  }
}

/** The keys of one server that match a pattern, as many at a time as one step of the server finds. A scan may tell one key twice. */
export async function* scanKeys(
  server: Pick<RedisPort, 'call'>,
  pattern: string,
  clock: Clock,
  timeoutMs: number,
): AsyncIterable<readonly string[]> {
  let cursor = '0';
  do {
    // oxlint-disable-next-line no-await-in-loop
    const reply = await within(clock, timeoutMs, server.call('SCAN', cursor, 'MATCH', pattern, 'COUNT', COUNT));
    const [next, keys] = reply as [string, string[]];
    cursor = String(next);
    yield keys;
  } while (cursor !== '0');
}

/** What a pattern says for this text itself. */
export function escapeGlob(text: string): string {
  return text.replace(/[\\*?[\]^]/g, '\\$&');
}
