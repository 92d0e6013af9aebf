import { randomBytes } from 'node:crypto';
import { askRedis } from './ask-redis.js';
import { type RedisOptions, type RedisServer, redisSpec, startRedisIn } from './redis.js';
import { buildInPlace } from './server-place.js';
import { until } from './until.js';

const SLOTS = 16_384;
/** A node's bus listens this much above its port. */
const BUS_OFFSET = 10_000;

export interface RedisClusterOptions {
  /** @default 3 */
  readonly masters?: number | undefined;
  /** Replicas of each master. @default 1 */
  readonly replicas?: number | undefined;
  /** After this long without an answer a node counts as failed. @default 5_000 */
  readonly nodeTimeoutMs?: number | undefined;
  readonly config?: RedisOptions['config'];
}

export interface RedisClusterNode extends RedisServer {
  readonly id: string;
  /** As the cluster was laid out; a fail-over changes roles, not this. */
  readonly replicaOf: string | null;
}

export interface RedisCluster extends AsyncDisposable {
  readonly nodes: readonly RedisClusterNode[];
  readonly masters: readonly RedisClusterNode[];
  readonly replicas: readonly RedisClusterNode[];
  /** `redis+cluster://host:port,host:port`: every node. */
  readonly url: string;
  /** Waits until every running node sees all slots served. */
  ready(): Promise<void>;
  close(): Promise<void>;
}

interface NodeLayout {
  readonly id: string;
  readonly port: number;
  readonly replicaOf: string | null;
  readonly slots: string;
}

/**
 * Starts a Redis Cluster on 127.0.0.1 and waits until it serves every slot, which takes about two seconds: a master always waits
 * that long before it trusts its own view. The nodes find each other in a configuration file written beforehand, not by MEET and
 * gossip, which takes longer. An address cannot stand in for it.
 */
export async function startRedisCluster(options: RedisClusterOptions = {}): Promise<RedisCluster> {
  const masterCount = options.masters ?? 3;
  const perMaster = options.replicas ?? 1;
  const count = masterCount * (1 + perMaster);
  return buildInPlace(redisSpec, { count, alsoFree: [BUS_OFFSET] }, async (place) => {
    const layout = layOut(place.ports, masterCount);
    const nodes = await Promise.all(
      layout.map(async (node, index) => {
        const server = await startRedisIn(place, index, {
          config: {
            'cluster-enabled': 'yes',
            'cluster-config-file': 'nodes.conf',
            'cluster-node-timeout': options.nodeTimeoutMs ?? 5_000,
            'cluster-announce-ip': '127.0.0.1',
            'repl-diskless-sync': 'yes',
            'repl-diskless-sync-delay': 0,
            ...options.config,
          },
          files: { 'nodes.conf': renderNodes(layout, node, masterCount) },
        });
        return Object.assign(server, { id: node.id, replicaOf: node.replicaOf });
      }),
    );
    const ready = (): Promise<void> => untilServing(nodes, perMaster > 0);
    await ready();
    return {
      nodes,
      masters: nodes.filter((node) => node.replicaOf === null),
      replicas: nodes.filter((node) => node.replicaOf !== null),
      url: `redis+cluster://${nodes.map((node) => `127.0.0.1:${node.port}`).join(',')}`,
      ready,
      close: () => place.close(),
      [Symbol.asyncDispose]: () => place.close(),
    };
  });
}

function layOut(ports: readonly number[], masterCount: number): NodeLayout[] {
  const ids = ports.map(() => randomBytes(20).toString('hex'));
  return ports.map((port, index) => {
    const id = ids[index] ?? '';
    if (index >= masterCount) return { id, port, replicaOf: ids[index % masterCount] ?? null, slots: '' };
    const first = Math.ceil((index * SLOTS) / masterCount);
    const last = Math.ceil(((index + 1) * SLOTS) / masterCount) - 1;
    return { id, port, replicaOf: null, slots: ` ${first}-${last}` };
  });
}

/** The file in which a node keeps what it knows of the cluster, as that node would have written it. */
function renderNodes(layout: readonly NodeLayout[], self: NodeLayout, masterCount: number): string {
  const epochs = new Map(layout.filter((node) => node.replicaOf === null).map((node, index) => [node.id, index + 1]));
  const lines = layout.map((node) => {
    const flags = `${node.id === self.id ? 'myself,' : ''}${node.replicaOf === null ? 'master' : 'slave'}`;
    const epoch = epochs.get(node.replicaOf ?? node.id) ?? 0;
    return `${node.id} 127.0.0.1:${node.port}@${node.port + BUS_OFFSET} ${flags} ${node.replicaOf ?? '-'} 0 0 ${epoch} connected${node.slots}`;
  });
  return `${lines.join('\n')}\nvars currentEpoch ${masterCount} lastVoteEpoch 0\n`;
}

async function untilServing(nodes: readonly RedisClusterNode[], withReplicas: boolean): Promise<void> {
  await until(
    'the cluster serves all slots',
    async () => {
      for (const node of nodes) {
        if (!node.isRunning) continue;
        const info = await askRedis(node.port, 'CLUSTER INFO');
        if (!info.includes('cluster_state:ok') || !info.includes(`cluster_slots_ok:${SLOTS}`)) return false;
        if (!withReplicas) continue;
        const role = await askRedis(node.port, 'INFO replication');
        if (/^role:slave/m.test(role) && !/^master_link_status:up/m.test(role)) return false;
      }
      return true;
    },
    { timeoutMs: 30_000, everyMs: 50 },
  );
}
