import { createHash, randomUUID } from 'node:crypto';
import type { Redis } from 'ioredis';

const freeScript = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0";
const freeSha = createHash('sha1').update(freeScript).digest('hex');

/** The ttl of the floor and of the peers that have no default. */
export const floorTtlMs = 30_000;

/** The least that a lock on Redis can be: a value set if absent, compared and deleted by a script. */
export class BareLock {
  readonly #client: Redis;

  private constructor(client: Redis) {
    this.#client = client;
  }

  static async on(client: Redis): Promise<BareLock> {
    await client.script('LOAD', freeScript);
    return new BareLock(client);
  }

  /** Resolves to the owner's token, or null when somebody else has it. */
  async take(name: string): Promise<string | null> {
    const token = randomUUID();
    return (await this.#client.set(name, token, 'PX', floorTtlMs, 'NX')) === 'OK' ? token : null;
  }

  async free(name: string, token: string): Promise<boolean> {
    return (await this.#client.evalsha(freeSha, 1, name, token)) === 1;
  }

  /** The same for many names, in one pipeline. */
  async takeEach(names: readonly string[]): Promise<ReadonlyMap<string, string>> {
    const pipeline = this.#client.pipeline();
    const tokens = names.map((name) => {
      const token = randomUUID();
      pipeline.set(name, token, 'PX', floorTtlMs, 'NX');
      return [name, token] as const;
    });
    const replies = (await pipeline.exec()) ?? [];
    return new Map(tokens.filter((_, index) => replies[index]?.[1] === 'OK'));
  }

  async freeEach(tokens: ReadonlyMap<string, string>): Promise<void> {
    const pipeline = this.#client.pipeline();
    for (const [name, token] of tokens) pipeline.evalsha(freeSha, 1, name, token);
    await pipeline.exec();
  }
}
