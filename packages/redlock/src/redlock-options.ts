import { randomBytes } from 'node:crypto';
import { type Clock, LockArgumentError, type OptionRule, readOptions, rule } from '@holdfast/core';
import {
  type ClientSource,
  clientSource,
  type RedisClient,
  type RedisDriver,
  redisBackendRules,
  resolveRedisOptions,
} from '@holdfast/redis/connection';
import { KeyLayout } from './node/key-layout.js';
import type { NodeSettings } from './node/redis-node.js';
import type { ProtocolSettings } from './protocol/context.js';
import { majorityOf } from './protocol/quorum.js';
import { hintBoundMicros, quarantineMs, validityMs } from './protocol/validity.js';

/** By clients of the user's. */
interface ByClients {
  /** Clients as `createRedisBackend` takes them, one for each independent server. They are used as they are and never closed. */
  readonly clients: readonly RedisClient[];
  readonly urls?: undefined;
  readonly driver?: undefined;
  readonly driverOptions?: undefined;
}

/** By connections of our own. */
interface ByUrls {
  /** `redis://[user:password@]host[:port][/db]` or `rediss://...`, one for each independent server. */
  readonly urls: readonly string[];
  readonly clients?: undefined;
  /** With `urls`: the package that makes the connections. @default the first that is installed, in the order of `createRedisBackend` */
  readonly driver?: RedisDriver | undefined;
  /** With `urls`: further options for the driver, such as `tls` of ioredis. @default {} */
  readonly driverOptions?: Readonly<Record<string, unknown>> | undefined;
}

/** What does not depend on how the servers are reached. */
interface RedlockSettings {
  /** How many nodes must grant. From the majority to all of them. @default the majority, `floor(n / 2) + 1` */
  readonly quorum?: number | undefined;
  /**
   * The longest `ttlMs` of any lease, in milliseconds: a node that was restarted takes no part for this time and a guard time. All clients of
   * the nodes must have the same. @default 60_000
   */
  readonly maxTtlMs?: number | undefined;
  /** How fast the clocks of nodes and clients may drift apart, as a part of the ttl. @default 0.01 */
  readonly driftFactor?: number | undefined;
  /** How long one node is waited for, in milliseconds, when the others do not decide. @default 500 */
  readonly nodeTimeoutMs?: number | undefined;
  /** What the keys of locks begin with. @default 'holdfast:' */
  readonly prefix?: string | undefined;
  /** Takes servers whose maxmemory-policy may drop keys that are in use, instead of refusing them. @default false */
  readonly allowEviction?: boolean | undefined;
}

/** Options of `createRedlockBackend`: exactly one of `clients` and `urls`. */
export type RedlockBackendOptions = RedlockSettings & (ByClients | ByUrls);

/** What nodes are reached by, whatever their quorum is. */
export type NodesOptions = Omit<RedlockSettings, 'quorum'> & (ByClients | ByUrls);

/** What one node is reached by. */
export interface NodeSource {
  readonly label: string;
  readonly source: ClientSource;
}

export interface ResolvedRedlockOptions {
  readonly sources: readonly NodeSource[];
  readonly protocol: ProtocolSettings;
  readonly node: NodeSettings;
}

const MAX_NODES = 99;
const defaults = Object.freeze({ maxTtlMs: 60_000, driftFactor: 0.01, nodeTimeoutMs: 500, prefix: 'holdfast:' });

const driftRule: OptionRule = (value) =>
  typeof value === 'number' && value >= 0 && value <= 0.2 ? null : 'must be a number from 0 to 0.2';
const clientsRule: OptionRule = (value) => {
  if (!Array.isArray(value) || value.length < 1 || value.length > MAX_NODES) return `must be a list of 1 to ${MAX_NODES} Redis clients`;
  const faults = value.map((client: unknown) => redisBackendRules.client(client));
  const index = faults.findIndex((fault) => fault !== null);
  return index < 0 ? null : `must be a list of Redis clients: number ${index + 1} ${faults[index]}`;
};
const urlsRule: OptionRule = (value) =>
  Array.isArray(value) && value.length >= 1 && value.length <= MAX_NODES && value.every((url) => typeof url === 'string')
    ? null
    : `must be a list of 1 to ${MAX_NODES} URLs`;

/** The options of a Redlock backend and what each must be. */
export const redlockBackendRules = {
  clients: rule.secret(clientsRule),
  urls: rule.secret(urlsRule),
  quorum: rule.integer(1, MAX_NODES),
  // Shorter ones leave no room for the clocks: a node lets hints pull by an eighth of it.
  maxTtlMs: rule.duration({ min: 1000 }),
  driftFactor: driftRule,
  nodeTimeoutMs: rule.duration({ min: 1 }),
  prefix: redisBackendRules.prefix,
  allowEviction: rule.boolean,
  driver: redisBackendRules.driver,
  driverOptions: rule.secret(rule.object),
} satisfies Record<keyof RedlockBackendOptions, OptionRule>;

/** @throws LockArgumentError LOCK_INVALID_ARGUMENT */
export function resolveRedlockOptions(where: string, given: RedlockBackendOptions, clock: Clock): ResolvedRedlockOptions {
  if (given === undefined) throw wrong(`${where}: options are missing; pass clients or urls`, 'options');
  const options = readOptions(where, given, redlockBackendRules);
  const { clients, urls, quorum } = options;
  if ((clients === undefined) === (urls === undefined)) {
    throw wrong(`${where}: pass exactly one of clients and urls`, clients === undefined ? 'urls' : 'clients');
  }
  if (clients !== undefined && options.driver !== undefined) {
    throw wrong(`${where}: driver goes with urls; clients are of one already`, 'driver');
  }
  if (clients !== undefined && options.driverOptions !== undefined) {
    throw wrong(`${where}: driverOptions go with urls; clients have their own`, 'driverOptions');
  }
  const nodes: readonly (RedisClient | string)[] = [...(clients ?? urls ?? [])];
  if (new Set(nodes).size < nodes.length)
    throw wrong(`${where}: a node is given twice; each must be a server of its own`, clients ? 'clients' : 'urls');
  const majority = majorityOf(nodes.length);
  if (quorum !== undefined && (quorum < majority || quorum > nodes.length)) {
    throw wrong(
      `${where}: quorum is ${quorum}; of ${nodes.length} nodes it must be at least ${majority}, the majority, and at most ${nodes.length}: two smaller sets could grant one lock twice`,
      'quorum',
    );
  }
  const maxTtlMs = options.maxTtlMs ?? defaults.maxTtlMs;
  const nodeTimeoutMs = options.nodeTimeoutMs ?? defaults.nodeTimeoutMs;
  return {
    sources: nodes.map((node, index) => sourceOf(where, node, options, index, clock)),
    protocol: {
      quorum: quorum ?? majority,
      maxTtlMs,
      driftFactor: options.driftFactor ?? defaults.driftFactor,
      nodeTimeoutMs,
      validity: validityMs,
    },
    node: {
      layout: new KeyLayout(options.prefix ?? defaults.prefix),
      maxTtlMs,
      quarantineMs: quarantineMs(maxTtlMs),
      hintBoundMicros: hintBoundMicros(maxTtlMs),
      id: randomBytes(8).toString('hex'),
      silentAfterMs: 2 * nodeTimeoutMs,
    },
  };
}

function sourceOf(
  where: string,
  node: RedisClient | string,
  { allowEviction, driver, driverOptions }: RedlockBackendOptions,
  index: number,
  clock: Clock,
): NodeSource {
  const resolved = resolveRedisOptions(
    where,
    typeof node === 'string' ? { url: node, allowEviction, driver, driverOptions } : { client: node, allowEviction },
  );
  const source = clientSource(resolved, clock);
  if (source.isCluster || resolved.target?.kind === 'sentinel' || resolved.client?.followsMaster === true) {
    throw wrong(
      `${where}: each node must be one independent server, no cluster and no Sentinel`,
      typeof node === 'string' ? 'urls' : 'clients',
    );
  }
  const { host, port } = resolved.target?.hosts[0] ?? resolved.client?.address ?? {};
  return { label: `node ${index + 1}${host === undefined ? '' : `, ${host}:${port}`}`, source };
}

function wrong(message: string, option: string): LockArgumentError {
  return new LockArgumentError(message, { option, backend: 'redlock' });
}
