import { ConnectionFault } from '@holdfast/core/backend';
import { watchEvents } from '../loss-watch.js';
import type { RedisPort, RedisScript } from '../redis-port.js';
import { runScript } from '../run-script.js';
import type { NodeRedisDriverClient, NodeRedisDriverSentinel } from './node-redis-client.js';
import { COMMAND_OPTIONS, NodeRedisPort, prefixed, textOf } from './node-redis-port.js';

const LOSSES = ['topology-change', 'client-error', 'reconnecting', 'end', 'error'] as const;

/**
 * A sentinel's client of node-redis, of the user's. It sends a command again that has failed while its connection was lost, though the command may
 * have been carried out: so the client is only asked for its connection to the master, and each command is sent over that connection once.
 */
export class NodeRedisSentinelPort implements RedisPort {
  readonly driver = 'redis';
  readonly followsMaster = true;
  readonly keyPrefix: string;
  readonly #sentinel: NodeRedisDriverSentinel;

  constructor(sentinel: NodeRedisDriverSentinel) {
    this.#sentinel = sentinel;
    this.keyPrefix = sentinel._keyPrefix ?? '';
  }

  get isReady(): boolean {
    return this.#sentinel.isReady;
  }

  ready(): Promise<void> {
    return this.isReady ? Promise.resolve() : Promise.reject(new ConnectionFault('closed'));
  }

  run(script: RedisScript, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    return runScript(script, prefixed(this.keyPrefix, keys), args, (words) => this.#send(words));
  }

  async call(command: string, ...words: readonly string[]): Promise<unknown> {
    return textOf(await this.#send([command, ...words]));
  }

  listen(): Promise<() => void> {
    // A client of its own, from `another`, listens.
    return Promise.reject(new ConnectionFault('closed'));
  }

  onLost(listener: () => void): () => void {
    return watchEvents(this.#sentinel, LOSSES, listener);
  }

  async another(): Promise<RedisPort> {
    return (await this.#withMaster((master) => new NodeRedisPort(master, false))).another();
  }

  /** Never called: a client of the user's is not ended. */
  end(): void {}

  async #send(words: readonly string[]): Promise<unknown> {
    const { reply } = await this.#withMaster((master) => {
      const sent = master.sendCommand(words, COMMAND_OPTIONS);
      // It is waited for a moment later.
      sent.catch(() => {});
      return { reply: sent };
    });
    return await reply;
  }

  /** @param use what is done with the connection at once; whatever comes later of it is none of the driver's business */
  async #withMaster<T>(use: (master: NodeRedisDriverClient) => T): Promise<T> {
    // Else the driver would collect commands until there is a master, for as long as that takes.
    if (!this.isReady) throw new ConnectionFault('closed');
    return await this.#sentinel._execute(false, async (master) => use(master));
  }
}
