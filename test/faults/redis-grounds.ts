import { setTimeout as sleep } from 'node:timers/promises';
import { initializeNodes } from '@holdfast/redlock';
import {
  askRedis,
  startRedis,
  startRedisCluster,
  startRedisNodes,
  startRedisWithSentinels,
  startTcpProxy,
  until,
} from '@holdfast/test/servers';
import { blow, type OpenGround, serverFaults, wireFaults } from './fault.js';
import { TTL_MS } from './open-manager.js';
import { moveASlot } from './reshard.js';
import { clockFaults, compileServerClock } from './server-clock.js';

/** One Redis that writes each change to a file before it answers: a process that is killed takes nothing with it. */
export const redis =
  (fair: boolean): OpenGround =>
  async () => {
    const server = await startRedis({ config: { appendonly: 'yes', appendfsync: 'no' } });
    const wire = await startTcpProxy({ target: server.port });
    return {
      store: { kind: 'redis', url: wire.urlFor(server.url), fair },
      faults: [...wireFaults([wire]), ...serverFaults(server, { title: 'with its data', forgets: false })],
      close: closeAll(wire, server),
    };
  };

/** One Redis that keeps nothing. */
export const redisWithoutData: OpenGround = async () => {
  const server = await startRedis({ config: {} });
  return {
    store: { kind: 'redis', url: server.url, fair: false },
    faults: serverFaults(server, { title: 'without its data', forgets: true }).filter(({ forgets }) => forgets),
    close: closeAll(server),
  };
};

/** One Redis whose wall clock is set. Every store with a time to live needs one that nobody sets by more than the margin of a second. */
export const redisClock: OpenGround = async () => {
  const clock = await compileServerClock();
  const server = await startRedis({ config: {}, environment: clock.environment });
  const timeOf = async (): Promise<number> => {
    const [, seconds] = /\$\d+\r\n(\d+)/.exec(await askRedis(server.port, 'TIME')) ?? [];
    return 1000 * Number(seconds);
  };
  return {
    store: { kind: 'redis', url: server.url, fair: false },
    faults: clockFaults(clock, timeOf),
    close: closeAll(server, clock),
  };
};

/** One Redis of which somebody deletes all keys while locks are held, and no documentation says that it may. */
export const redisEmptied: OpenGround = async () => {
  const server = await startRedis({ config: {} });
  const empty = blow('all keys deleted behind the locks', false, async () => {
    for (let times = 0; times < 10; times += 1) {
      await askRedis(server.port, 'FLUSHALL');
      await sleep(200);
    }
  });
  return { store: { kind: 'redis', url: server.url, fair: false }, faults: [empty], close: closeAll(server) };
};

/** A primary whose replica takes over when it is killed; what the replica had not received is forgotten. */
export const redisSentinel: OpenGround = async () => {
  const set = await startRedisWithSentinels({ sentinels: 3 });
  let down = set.primary;
  const failOver = blow(
    'primary killed, replica takes over',
    true,
    async () => {
      const port = await set.primaryPort();
      down = [set.primary, set.replica].find((server) => server.port === port) ?? set.primary;
      await down.kill();
      await until('the sentinels have another primary', async () => (await set.primaryPort()) !== port, { timeoutMs: 60_000 });
    },
    async () => {
      await down.restart();
      const port = await set.primaryPort();
      await until('the old primary follows', async () => /^slave\d+:.*state=online/m.test(await askRedis(port, 'INFO replication')), {
        timeoutMs: 60_000,
        everyMs: 100,
      });
    },
  );
  return { store: { kind: 'redis', url: set.url, fair: false }, faults: [failOver], close: closeAll(set) };
};

/** Three masters, each with a replica. */
export const redisCluster: OpenGround = async () => {
  const cluster = await startRedisCluster({ nodeTimeoutMs: 1_000 });
  const master = (): Promise<(typeof cluster.nodes)[number]> =>
    Promise.any(
      cluster.nodes.map(async (node) => {
        if (!/^role:master/m.test(await askRedis(node.port, 'INFO replication'))) throw new Error('a replica');
        return node;
      }),
    );
  let down = await master();
  const failOver = blow(
    'master killed, its replica takes over',
    true,
    async () => {
      down = await master();
      await down.kill();
      await cluster.ready();
    },
    async () => {
      await down.restart();
      await cluster.ready();
    },
  );
  const reshard = blow('slots moved while they are in use', false, () => moveASlot(cluster));
  return { store: { kind: 'redis', url: cluster.url, fair: false }, faults: [failOver, reshard], close: closeAll(cluster) };
};

/** Three nodes that know nothing of each other and keep nothing: one of them at a time may be away, or come back empty. */
export const redlock: OpenGround = async () => {
  const { nodes, urls, close } = await startRedisNodes(3);
  const maxTtlMs = 2 * TTL_MS;
  await initializeNodes({ urls, maxTtlMs });
  const wires = await Promise.all(nodes.map(({ port }) => startTcpProxy({ target: port })));
  const [node] = nodes;
  if (node === undefined) throw new Error('three nodes were asked for');
  return {
    store: { kind: 'redlock', urls: wires.map((wire, index) => wire.urlFor(urls[index] ?? '')), maxTtlMs },
    faults: [
      ...wireFaults(wires, { of: 'all nodes: ' }),
      ...wireFaults(wires.slice(0, 1), { of: 'one node: ' }),
      ...serverFaults(node, { title: 'without its data', forgets: false }, 'one node: '),
    ],
    close: closeAll({ close }, ...wires),
  };
};

/** The ways to a server end before the server. */
export function closeAll(...parts: readonly { close(): Promise<void> }[]): () => Promise<void> {
  return async () => {
    await Promise.all(parts.map((part) => part.close()));
  };
}
