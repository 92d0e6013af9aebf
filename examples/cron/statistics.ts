import { Redis } from 'ioredis';

/** An example that was killed leaves nothing for long. */
const KEEP_MS = 10 * 60_000;

/** What was written for a period: by whom, and how often. */
export interface Entry {
  readonly period: string;
  readonly server: string;
  readonly times: number;
}

/** The table that the job fills: what must have one row for each period, and not two. */
export interface Statistics {
  write(period: string, server: string, token: bigint | null): Promise<void>;
  read(): Promise<readonly Entry[]>;
  /** Removes this run's table. */
  drop(): Promise<void>;
  close(): void;
}

export function createStatistics(url: string, run: string): Statistics {
  const client = new Redis(url, { maxRetriesPerRequest: 1, connectTimeout: 3_000 });
  client.on('error', () => {});
  const [servers, times] = [`${run}:servers`, `${run}:times`];
  return {
    async write(period, server, token) {
      await client
        .multi()
        .hset(servers, period, `${server} (token ${token})`)
        .hincrby(times, period, 1)
        .pexpire(servers, KEEP_MS)
        .pexpire(times, KEEP_MS)
        .exec();
    },
    async read() {
      const [who, count] = await Promise.all([client.hgetall(servers), client.hgetall(times)]);
      return Object.entries(who)
        .map(([period, server]) => ({ period, server, times: Number(count[period]) }))
        .sort((a, b) => a.period.localeCompare(b.period));
    },
    async drop() {
      await client.del(servers, times);
    },
    close: () => client.disconnect(),
  };
}
