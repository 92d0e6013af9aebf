import { hasMethods } from '@holdfast/core/backend';

/** What Holdfast needs of a client of node-redis (the package `redis`), 5 or 6, as `createClient` makes it; it is used as it is and never closed. */
export interface NodeRedisClient {
  /** Whether `connect()` was called, and neither `close()` nor `destroy()` since. */
  readonly isOpen: boolean;
  /** Whether the connection stands. */
  readonly isReady: boolean;
  /** Sends a command. */
  sendCommand(words: readonly string[]): Promise<unknown>;
}

/** A cluster's client of node-redis, as `createCluster` makes it. */
export interface NodeRedisCluster {
  /** The masters that are known. */
  readonly masters: readonly unknown[];
  /** For each slot its nodes. */
  readonly slots: readonly unknown[];
  /** Sends a command to the node of a key. */
  sendCommand(firstKey: string | undefined, isReadonly: boolean | undefined, words: string[]): Promise<unknown>;
}

/** A sentinel's client of node-redis, as `createSentinel` makes it. */
export interface NodeRedisSentinel {
  /** Whether a master is connected. */
  readonly isReady: boolean;
  /** The master that is known. */
  getMasterNode(): unknown;
}

/** Options of one command. */
export type CommandOptions = Readonly<Record<string, unknown>>;

type Listener = (...values: never[]) => void;

interface Emitter {
  on(event: string, listener: Listener): unknown;
  off(event: string, listener: Listener): unknown;
}

/** The rest of what is used, of clients that were recognised. */
export interface NodeRedisDriverClient extends NodeRedisClient, Emitter {
  readonly options?: Readonly<Record<string, unknown>> & {
    readonly socket?: { readonly host?: string; readonly port?: number } | undefined;
  };
  /** Of version 6: version 5 takes the option, and leaves keys as they are. */
  readonly _keyPrefix?: string | undefined;
  sendCommand(words: readonly string[], options?: CommandOptions): Promise<unknown>;
  connect(): Promise<unknown>;
  duplicate(overrides: object): NodeRedisDriverClient;
  subscribe(channel: string, listener: (text: string) => void): Promise<unknown>;
  unsubscribe(channel: string, listener: (text: string) => void): Promise<unknown>;
  destroy(): unknown;
  unref(): void;
}

/** A node as a cluster's client knows it. */
export interface NodeRedisNode {
  /** host:port. */
  readonly address: string;
  /** Once somebody has asked for the node. */
  readonly client?: NodeRedisDriverClient | undefined;
}

/** The rest of what is used of a cluster's client. */
export interface NodeRedisDriverCluster extends NodeRedisCluster, Emitter {
  readonly isOpen: boolean;
  readonly masters: readonly NodeRedisNode[];
  readonly slots: readonly ({ readonly master: NodeRedisNode } | undefined)[];
  /** By their host:port, with the replicas where these are used. */
  readonly nodeByAddress: ReadonlyMap<string, NodeRedisNode>;
  /** Of version 6. */
  readonly _keyPrefix?: string | undefined;
  sendCommand(
    firstKey: string | undefined,
    isReadonly: boolean | undefined,
    words: readonly string[],
    options?: CommandOptions,
  ): Promise<unknown>;
  nodeClient(node: NodeRedisNode): Promise<NodeRedisDriverClient>;
  connect(): Promise<unknown>;
  /** Ends the connections once what was sent is answered. */
  close(): Promise<unknown>;
  destroy(): unknown;
}

/** The rest of what is used of a sentinel's client. */
export interface NodeRedisDriverSentinel extends NodeRedisSentinel, Emitter {
  /** Of version 6. */
  readonly _keyPrefix?: string | undefined;
  /** Hands out the connection to the master, and does so again where what the function returns has rejected and the connection is lost. */
  _execute<T>(isReadonly: boolean, use: (master: NodeRedisDriverClient) => Promise<T>): Promise<T>;
}

/** Whether a value looks like a client of node-redis 5 or later. */
export function isNodeRedisClient(value: unknown): value is NodeRedisDriverClient {
  if (!hasMethods(value, 'sendCommand', 'connect', 'duplicate', 'subscribe', 'unsubscribe', 'destroy', 'on', 'off', 'unref')) return false;
  const client = value as Partial<NodeRedisClient>;
  return typeof client.isOpen === 'boolean' && typeof client.isReady === 'boolean' && !('getMasterNode' in client);
}

/** Whether a value looks like a sentinel's client of node-redis 5 or later. */
export function isNodeRedisSentinel(value: unknown): value is NodeRedisDriverSentinel {
  const methods = ['getMasterNode', '_execute', 'on', 'off'];
  return hasMethods(value, ...methods) && typeof (value as Partial<NodeRedisSentinel>).isReady === 'boolean';
}

/** Whether a value looks like a cluster's client of node-redis 5 or later. */
export function isNodeRedisCluster(value: unknown): value is NodeRedisDriverCluster {
  if (!hasMethods(value, 'sendCommand', 'connect', 'nodeClient', 'close', 'destroy', 'on', 'off')) return false;
  const { masters, slots } = value as Partial<NodeRedisCluster>;
  return Array.isArray(masters) && Array.isArray(slots);
}
