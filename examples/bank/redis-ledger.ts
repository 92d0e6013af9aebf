import { Redis } from 'ioredis';
import { type Ledger, StaleWriteError } from './ledger.js';

/** An account that a killed demo left behind goes by itself. */
const KEEP_MS = 10 * 60_000;

// Compares and writes in one step; done in two, a stale write could slip between them.
// Tokens are compared as text, longer meaning larger: a Lua number holds 53 bits only.
// KEYS[1] account   ARGV[1] balance   ARGV[2] token, or '' for none
// Returns the empty string when written, else the highest token that the account has seen.
const WRITE = `
local seen = redis.call('HGET', KEYS[1], 'token') or '0'
local token = ARGV[2]
if token ~= '' then
  if #token < #seen or (#token == #seen and token < seen) then return seen end
  redis.call('HSET', KEYS[1], 'token', token)
end
redis.call('HSET', KEYS[1], 'balance', ARGV[1])
return ''`;

/** The same books in Redis, for tellers in several processes. `prefix` keeps this run's accounts apart. */
export function createRedisLedger(url: string, prefix: string): Ledger {
  const client = new Redis(url, { lazyConnect: true, maxRetriesPerRequest: 1, retryStrategy: () => null, connectTimeout: 3_000 });
  // ioredis also emits what a command has already rejected with; without a listener it prints a stack.
  client.on('error', () => {});
  const opened: string[] = [];
  const key = (account: string): string => `${prefix}:account:${account}`;
  return {
    async open(account, balance) {
      opened.push(key(account));
      await client.multi().hset(key(account), 'balance', balance).pexpire(key(account), KEEP_MS).exec();
    },
    async read(account) {
      return Number(await client.hget(key(account), 'balance'));
    },
    async write(account, balance, token) {
      const seen = await client.eval(WRITE, 1, key(account), balance, token === null ? '' : String(token));
      if (seen !== '') throw new StaleWriteError(account, BigInt(String(seen)));
    },
    async close() {
      if (opened.length > 0) await client.del(...opened);
      client.disconnect();
    },
  };
}
