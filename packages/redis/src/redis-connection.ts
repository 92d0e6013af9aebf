import { type Command, ConnectionFault, type Step, type StoreConnection } from '@holdfast/core/backend';
import { rawSocketOf } from './own-connection.js';
import type { ClientStream, DriverClient } from './redis-client.js';
import { isNoScript } from './redis-error.js';
import type { Script } from './scripts.generated.js';

/** Whose the client is, and whether what it was connected to is still there. */
export interface Ownership {
  /** A client of the user's is never ended. */
  readonly isOurs: boolean;
  isOpen(): boolean;
}

/** A client of ioredis, as the sender and the wake channel know it. */
export class RedisConnection<S extends Step & Script = Step & Script> implements StoreConnection<S> {
  readonly client: DriverClient;
  /** Which process of a server it leads to, once that is known; null where the user may not ask, and of a cluster. */
  serverId: string | null = null;
  readonly #ownership: Ownership;
  readonly #ended = new WeakSet<DriverClient>();
  readonly #ears = new Map<string, (text: string) => void>();

  constructor(client: DriverClient, ownership: Ownership) {
    this.client = client;
    this.#ownership = ownership;
  }

  get isOpen(): boolean {
    return !this.#ended.has(this.client) && this.#ownership.isOpen();
  }

  send(commands: readonly Command<S>[]): readonly Promise<unknown>[] {
    const [first] = commands;
    if (this.#ended.has(this.client)) return commands.map(() => Promise.reject(new ConnectionFault('closed')));
    if (commands.length === 1 && first !== undefined) return [this.#run(first)];
    const streams = this.#streams();
    for (const stream of streams) stream.cork?.();
    const replies = commands.map((command) => this.#run(command));
    for (const stream of streams) stream.uncork?.();
    return replies;
  }

  #run({ step, keys, args }: Command<S>): Promise<unknown> {
    try {
      return this.#ask('evalsha', step.sha, keys, args).then(undefined, (error: unknown) => {
        // It has not run, so it may be sent again; only this time does the whole text travel.
        if (isNoScript(error)) return this.#ask('eval', step.source, keys, args);
        throw error;
      });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  #ask(command: 'eval' | 'evalsha', script: string, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    const { client } = this;
    if (!client.isCluster || client.options?.enableAutoPipelining !== true || client.pipeline === undefined) {
      return client[command](script, keys.length, ...keys, ...args);
    }
    // Up to its version 5.10 ioredis takes the script for the key when it puts a Cluster's commands into one pipeline by itself, and sends those
    // of several slots to one node. A pipeline for each command it sends where the keys lie.
    return alone(client.pipeline([[command, script, keys.length, ...keys, ...args]]).exec());
  }

  async listen(channel: string, onMessage: (text: string) => void): Promise<() => void> {
    if (this.#ears.size === 0) this.client.on('message', this.#hear);
    this.#ears.set(channel, onMessage);
    await this.client.subscribe(channel);
    return () => {
      if (this.#ears.get(channel) !== onMessage) return;
      this.#ears.delete(channel);
      if (this.#ears.size === 0) this.client.off('message', this.#hear);
      if (this.isOpen) this.client.unsubscribe?.(channel).catch(() => {});
    };
  }

  readonly #hear = (channel: string, text: string): void => this.#ears.get(channel)?.(text);

  giveUp(route: number | null): void {
    if (!this.#ownership.isOurs) return;
    if (this.client.isCluster && route !== null) {
      const key = this.client.slots?.[route]?.[0];
      const node = this.client.nodes?.('all').find(({ options }) => `${options?.host}:${options?.port}` === key);
      // The others of the cluster may be well.
      if (node !== undefined) return this.#end([node], reset);
    }
    this.#endAll(reset);
  }

  close(): void {
    if (this.#ownership.isOurs) this.#endAll((client) => client.stream?.destroy?.());
  }

  #endAll(how: (client: DriverClient) => void): void {
    const nodes = this.client.isCluster ? (this.client.nodes?.('all') ?? []) : [];
    this.#end([this.client, ...nodes], how);
  }

  /** The driver alone would wait for a silent server to answer the end with its own. */
  #end(clients: readonly DriverClient[], how: (client: DriverClient) => void): void {
    for (const client of clients) {
      if (this.#ended.has(client)) continue;
      this.#ended.add(client);
      how(client);
      client.disconnect();
    }
  }

  #streams(): readonly ClientStream[] {
    const nodes = this.client.isCluster ? (this.client.nodes?.('master') ?? []) : [this.client];
    return nodes.flatMap(({ stream }) => (stream === undefined || stream === null ? [] : [stream]));
  }
}

async function alone(replies: Promise<readonly (readonly [Error | null, unknown])[] | null>): Promise<unknown> {
  const [error, reply] = (await replies)?.[0] ?? [new ConnectionFault('closed'), null];
  if (error !== null) throw error;
  return reply;
}

/**
 * Drops what is still in our buffers and the system's, instead of delivering it behind a release. It proves nothing: what the
 * network or a proxy has may arrive all the same. A driver's own TLS connection, and a socket of this machine, can only be ended.
 */
function reset(client: DriverClient): void {
  const { stream } = client;
  const socket = rawSocketOf(client) ?? stream;
  const isPlain = socket !== stream || (stream?.encrypted !== true && client.options?.path === undefined);
  if (isPlain && socket?.connecting === false && socket.destroyed === false) socket.resetAndDestroy?.();
  else socket?.destroy?.();
  if (stream !== socket) stream?.destroy?.();
}
