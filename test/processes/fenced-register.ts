import type { Redis } from 'ioredis';

/**
 * Tokens are compared as decimal strings, since Lua's numbers are exact only to 2^53. Reading counts as having seen the token too: a
 * holder who has read must not be followed by a write of an earlier one, or it would write over what it never saw.
 */
const SCRIPT = `
local token, value, writer = ARGV[1], ARGV[2], ARGV[3]
local seen = redis.call('HGET', KEYS[1], 'token')
local current = redis.call('HGET', KEYS[1], 'value') or '0'
if seen and (#token < #seen or (#token == #seen and token < seen)) then return {0, current} end
redis.call('HSET', KEYS[1], 'token', token)
if value ~= '' then
  redis.call('HSET', KEYS[1], 'value', value)
  redis.call('RPUSH', KEYS[2], token .. ' ' .. value .. ' ' .. writer)
  redis.call('EXPIRE', KEYS[2], 600)
end
redis.call('EXPIRE', KEYS[1], 600)
return {1, value ~= '' and value or current}
`;

/** What the register answered: whether it took the token, and the value that it now has. */
export interface RegisterAnswer {
  readonly accepted: boolean;
  readonly value: number;
}

/** One accepted write. */
export interface RegisterEntry {
  readonly token: bigint;
  readonly value: number;
  readonly writer: number;
}

/** What a lock protects, as the documentation asks of it: a number in Redis that refuses a fencing token below one that it has seen. */
export class FencedRegister {
  readonly #redis: Redis;
  readonly #keys: readonly [value: string, log: string];

  constructor(redis: Redis, name: string) {
    this.#redis = redis;
    this.#keys = [`{${name}}:register`, `{${name}}:log`];
  }

  read(token: bigint): Promise<RegisterAnswer> {
    return this.#ask(token, '');
  }

  write(token: bigint, value: number): Promise<RegisterAnswer> {
    return this.#ask(token, `${value}`);
  }

  /** Every write that was accepted, the first one first. */
  async entries(): Promise<RegisterEntry[]> {
    const lines = await this.#redis.lrange(this.#keys[1], 0, -1);
    return lines.map((line) => {
      const [token = '', value, writer] = line.split(' ');
      return { token: BigInt(token), value: Number(value), writer: Number(writer) };
    });
  }

  async #ask(token: bigint, value: string): Promise<RegisterAnswer> {
    const [accepted, current] = (await this.#redis.eval(SCRIPT, 2, ...this.#keys, `${token}`, value, `${process.pid}`)) as [number, string];
    return { accepted: accepted === 1, value: Number(current) };
  }
}
