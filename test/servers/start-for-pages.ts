import { startPostgres } from './postgres.js';
import { startRedis } from './redis.js';
import { startRedisNodes } from './redis-nodes.js';
import { startZooKeeper } from './zookeeper.js';

/** Servers in place of those whose addresses pages write. */
export interface PageServers {
  /** What a page writes, and what is to stand there instead; in the order in which they are replaced. */
  readonly addresses: readonly (readonly [string, string])[];
  close(): Promise<void>;
}

interface Kind {
  /** Whether a text names such a server. */
  readonly named: RegExp;
  start(): Promise<PageServers>;
}

/** Every address that code and commands of our pages write. */
const KINDS: readonly Kind[] = [
  {
    named: /redis:\/\/localhost:6379/,
    async start() {
      const server = await startRedis();
      return { addresses: [['redis://localhost:6379', server.url]], close: () => server.close() };
    },
  },
  {
    named: /redis:\/\/redis-1:6379/,
    async start() {
      const nodes = await startRedisNodes(3);
      return { addresses: nodes.urls.map((url, index) => [`redis://redis-${index + 1}:6379`, url]), close: () => nodes.close() };
    },
  },
  {
    named: /postgres:\/\/(?:localhost:5432|app:secret@db:5432)\/shop/,
    async start() {
      const server = await startPostgres();
      const written = ['postgres://localhost:5432/shop', 'postgres://app:secret@db:5432/shop'];
      return { addresses: written.map((address) => [address, server.url]), close: () => server.close() };
    },
  },
  {
    named: /zk1:2181/,
    async start() {
      const server = await startZooKeeper();
      const written = ['zk1:2181,zk2:2181,zk3:2181', 'zk1:2181,zk2:2181'];
      return { addresses: written.map((address) => [address, `127.0.0.1:${server.port}`]), close: () => server.close() };
    },
  },
];

/** Starts a server, or three, of each kind that one of the texts names. */
export async function startForPages(texts: readonly string[]): Promise<PageServers> {
  const wanted = KINDS.filter(({ named }) => texts.some((text) => named.test(text)));
  const started = await Promise.allSettled(wanted.map((kind) => kind.start()));
  const servers = started.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
  const close = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.close()));
  };
  const failure = started.find((outcome) => outcome.status === 'rejected');
  if (failure !== undefined) {
    await close();
    throw failure.reason;
  }
  return { addresses: servers.flatMap(({ addresses }) => addresses), close };
}

/** A text of a page with the addresses of these servers in it. */
export function withAddresses(text: string, { addresses }: PageServers): string {
  return addresses.reduce((changed, [written, real]) => changed.replaceAll(written, real), text);
}
