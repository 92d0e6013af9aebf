import { type Command, ConnectionFault, type Step, type StoreConnection } from '@holdfast/core/backend';
import { rawSocketOf } from './own-connection.js';
import type { ClientStream, DriverClient } from './redis-client.js';
import { isNoScript } from './redis-error.js';
import type { Script } from './scripts.generated.js';

/** Whose the client is, and whether what it was connected to is still there. */
export interface Ownership {
  /** A client of the user's is never ended. */
  readonly isOurs: boolean;
  /** How often the user's client has lost its connection; null of ours, which does not come back. */
  readonly watch: { readonly losses: number } | null;
}

/** A client of ioredis, as the sender and the wake channel know it. */
export class RedisConnection<S extends Step & Script = Step & Script> implements StoreConnection<S> {
  readonly client: DriverClient;
  /** Which process of a server it leads to, once that is known; null where the user may not ask, and of a cluster. */
  serverId: string | null = null;
  readonly #ownership: Ownership;
  readonly #lossesBefore: number;
  /**
   * Up to its version 5.10 ioredis takes the script for the key when it puts a Cluster's commands into one pipeline by itself, and sends those
   * of several slots to one node. A pipeline for each command it sends where the keys lie.
   */
  readonly #goesAlone: boolean;
  readonly #ended = new WeakSet<DriverClient>();
  #isEnded = false;
  readonly #ears = new Map<string, (text: string) => void>();

  constructor(client: DriverClient, ownership: Ownership) {
    this.client = client;
    this.#ownership = ownership;
    this.#lossesBefore = ownership.watch?.losses ?? 0;
    this.#goesAlone = client.isCluster && client.options?.enableAutoPipelining === true && client.pipeline !== undefined;
  }

  get isOpen(): boolean {
    const { watch } = this.#ownership;
    return !this.#isEnded && (watch === null ? this.client.status === 'ready' : watch.losses === this.#lossesBefore);
  }

  send(commands: readonly Command<S>[]): readonly Promise<unknown>[] {
    const [first] = commands;
    if (this.#isEnded) return commands.map(() => Promise.reject(new ConnectionFault('closed')));
    if (commands.length === 1 && first !== undefined) return [this.#run(first)];
    const streams = this.#streams();
    for (const stream of streams) stream.cork?.();
    const replies = commands.map((command) => this.#run(command));
    for (const stream of streams) stream.uncork?.();
    return replies;
  }

  #run({ step, keys, args }: Command<S>): Promise<unknown> {
    const { client } = this;
    try {
      const reply = this.#goesAlone
        ? this.#alone('evalsha', step.sha, keys, args)
        : client.evalsha(step.sha, keys.length, ...keys, ...args);
      return reply.then(undefined, (error: unknown) => {
        if (!isNoScript(error)) throw error;
        // It has not run, so it may be sent again; only this time does the whole text travel.
        return this.#goesAlone ? this.#alone('eval', step.source, keys, args) : client.eval(step.source, keys.length, ...keys, ...args);
      });
    } catch (error) {
      return Promise.reject(error);
    }
  }

  async #alone(command: 'eval' | 'evalsha', script: string, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    const replies = await this.client.pipeline?.([[command, script, keys.length, ...keys, ...args]]).exec();
    const [error, reply] = replies?.[0] ?? [new ConnectionFault('closed'), null];
    if (error !== null) throw error;
    return reply;
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
      if (client === this.client) this.#isEnded = true;
      how(client);
      client.disconnect();
    }
  }

  #streams(): readonly ClientStream[] {
    const nodes = this.client.isCluster ? (this.client.nodes?.('master') ?? []) : [this.client];
    return nodes.flatMap(({ stream }) => (stream === undefined || stream === null ? [] : [stream]));
  }
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
