import { checkValue, LockArgumentError, MAX_NAME_BYTES, readOptions, rule } from '@holdfast/core';
import { type FencedLease, refuseStale, writeHoldOf } from './fenced-lease.js';

/** A client of ioredis or of node-redis, on one server or a cluster. */
export type FencedRedis = {
  /** Runs a script, as the client takes it. */
  eval(...args: never[]): Promise<unknown>;
};

/** Options of `writeFenced`. */
export interface WriteFencedOptions {
  /** Which store the tokens come from; see `fenceTable`. @default '' */
  readonly scope?: string | undefined;
}

/** Fields of a hash that begin so are tokens. */
const TOKEN_FIELD = 'holdfast.fence:';
/** So many digits have 64 bits. Lua counts in doubles, which lose digits above 2^53: tokens are compared as texts of one length. */
const DIGITS = 19;

// Writes one field of a hash unless a later holder of the lock has written to the hash.
// KEYS[1] the hash   ARGV[1] the field of the token   ARGV[2] the token, 19 digits   ARGV[3] field   ARGV[4] value
// Returns false when it was written; the token that stands when that one is higher.
const SCRIPT = `
local seen = redis.call('HGET', KEYS[1], ARGV[1])
if seen and not string.match(seen, '^%d+$') then return redis.error_reply('HOLDFAST the token field ' .. ARGV[1] .. ' is no number') end
if seen and (#seen > ${DIGITS} or string.rep('0', ${DIGITS} - #seen) .. seen > ARGV[2]) then return seen end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2], ARGV[3], ARGV[4])
return false
`;

/**
 * Writes a field of a hash under a lease, unless a later holder of the same lock has written to that hash: one script, so that nothing comes in between. The token
 * lies in the hash, in the field `holdfast.fence:<scope>:<kind>:<name>`, and goes with it. A client of ioredis may have a `keyPrefix`.
 *
 * @throws StaleTokenError LOCK_STALE_TOKEN; nothing was written
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT for permits and other leases without a token, a read hold, and a field that is a token's
 * @throws the client's own error, when the server did not answer, or the key is no hash
 */
export async function writeFenced(
  client: FencedRedis,
  key: string,
  field: string,
  value: string | number,
  lease: FencedLease,
  options?: WriteFencedOptions,
): Promise<void> {
  const where = 'writeFenced';
  checkValue(where, 'client', client, (each) =>
    rule.object(each) === null && typeof (each as FencedRedis).eval === 'function' ? null : 'must be a client with eval',
  );
  checkValue(where, 'key', key, rule.string);
  checkValue(where, 'field', field, rule.string);
  checkValue(where, 'value', value, (each) =>
    typeof each === 'string' || typeof each === 'number' ? null : 'must be a string or a number',
  );
  const { scope = '' } = readOptions<WriteFencedOptions>(where, options, { scope: rule.text(MAX_NAME_BYTES) });
  if (field.startsWith(TOKEN_FIELD)) {
    throw new LockArgumentError(
      `${where}: field is ${JSON.stringify(field.slice(0, 60))}; fields that begin with "${TOKEN_FIELD}" are tokens`,
      { option: 'field' },
    );
  }
  const hold = writeHoldOf(where, lease);
  const tokenField = `${TOKEN_FIELD}${escaped(scope)}:${hold.kind}:${hold.name}`;
  const args = [tokenField, String(hold.token).padStart(DIGITS, '0'), field, String(value)];
  const seen = await run(client, key, args);
  if (seen !== null) refuseStale(hold, BigInt(seen), `the key ${JSON.stringify(key)}`);
}

/** A scope with a colon in it is not another scope's name. */
function escaped(scope: string): string {
  return scope.replaceAll('%', '%25').replaceAll(':', '%3A');
}

async function run(client: FencedRedis, key: string, args: readonly string[]): Promise<string | null> {
  const evaluate = client.eval.bind(client) as (...all: readonly unknown[]) => Promise<unknown>;
  // ioredis takes its arguments one by one, node-redis an object.
  const isSpread = typeof (client as { readonly call?: unknown }).call === 'function';
  const answer = await (isSpread ? evaluate(SCRIPT, 1, key, ...args) : evaluate(SCRIPT, { keys: [key], arguments: args }));
  return typeof answer === 'string' ? answer : null;
}
