import { type RedisOptions, type RedisServer, startRedis } from './redis.js';

/** Servers that know nothing of each other, as Redlock wants them. */
export interface RedisNodes extends AsyncDisposable {
  readonly nodes: readonly RedisServer[];
  readonly urls: readonly string[];
  close(): Promise<void>;
}

/** Starts so many independent servers. An address cannot stand in for them. */
export async function startRedisNodes(count: number, options: RedisOptions = {}): Promise<RedisNodes> {
  const started = await Promise.allSettled(Array.from({ length: count }, () => startRedis({ ...options, config: { ...options.config } })));
  const nodes = started.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
  const close = async (): Promise<void> => {
    await Promise.all(nodes.map((node) => node.close()));
  };
  const failure = started.find((outcome) => outcome.status === 'rejected');
  if (failure !== undefined) {
    await close();
    throw failure.reason;
  }
  return { nodes, urls: nodes.map(({ url }) => url), close, [Symbol.asyncDispose]: close };
}
