import { ConnectionFault } from '@holdfast/core/backend';
import { watchEvents } from '../loss-watch.js';
import type { RedisAddress, RedisPort, RedisScript } from '../redis-port.js';
import { runScript } from '../run-script.js';
import type { NodeRedisDriverClient } from './node-redis-client.js';
import { ownOptions } from './own-options.js';

/**
 * Whatever the user's client does with replies and times, ours are texts, and have a deadline of their own. Nor do ours overtake each other.
 */
export const COMMAND_OPTIONS = Object.freeze({
  typeMapping: Object.freeze({}),
  timeout: undefined,
  abortSignal: undefined,
  asap: false,
});

/** A client of node-redis for one server. It never sends again what it has once written. */
export class NodeRedisPort implements RedisPort {
  readonly driver = 'redis';
  readonly keyPrefix: string;
  readonly #client: NodeRedisDriverClient;
  /** Of one that we have made: how its first connection went. */
  readonly #connecting: Promise<unknown> | null;

  constructor(client: NodeRedisDriverClient, isOurs: boolean) {
    this.#client = client;
    this.keyPrefix = client._keyPrefix ?? '';
    this.#connecting = isOurs ? this.#connect() : null;
  }

  get isReady(): boolean {
    return this.#client.isReady;
  }

  get address(): RedisAddress | null {
    const { host, port } = this.#client.options?.socket ?? {};
    return host === undefined || port === undefined ? null : { host, port };
  }

  async ready(): Promise<void> {
    await this.#connecting;
    if (!this.isReady) throw new ConnectionFault('closed');
  }

  run(script: RedisScript, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    const client = this.#client;
    return runScript(script, prefixed(this.keyPrefix, keys), args, (words) => client.sendCommand(words, COMMAND_OPTIONS));
  }

  async call(command: string, ...words: readonly string[]): Promise<unknown> {
    return textOf(await this.#client.sendCommand([command, ...words], COMMAND_OPTIONS));
  }

  async listen(channel: string, onMessage: (text: string) => void): Promise<() => void> {
    const client = this.#client;
    await client.subscribe(channel, onMessage);
    return () => {
      if (client.isReady) client.unsubscribe(channel, onMessage).catch(() => {});
    };
  }

  onLost(listener: () => void): () => void {
    return watchEvents(this.#client, LOSSES, listener);
  }

  another(): RedisPort {
    const { options = {} } = this.#client;
    return new NodeRedisPort(this.#client.duplicate(ownOptions(options)), true);
  }

  end(): void {
    this.#client.destroy();
  }

  #connect(): Promise<unknown> {
    const client = this.#client;
    // An error event without a listener would end the process. What the error is `connect` says, and every command behind it.
    client.on('error', () => {});
    // An idle connection does not keep the process alive; a pending call does, by a timer of the manager.
    client.unref();
    const connecting = client.connect();
    connecting.catch(() => {});
    return connecting;
  }
}

// What goes wrong before a connection stands is reported by `error` too: one loss too many does no harm.
const LOSSES = ['error', 'reconnecting', 'end'] as const;

/** The driver adds its prefix to none but its own commands. */
export function prefixed(prefix: string, keys: readonly string[]): readonly string[] {
  return prefix === '' ? keys : keys.map((key) => prefix + key);
}

/** While a subscription is on its way with RESP2, node-redis hands out the answers of other commands as bytes. */
export function textOf(reply: unknown): unknown {
  if (reply instanceof Uint8Array) return Buffer.from(reply.buffer, reply.byteOffset, reply.byteLength).toString();
  return Array.isArray(reply) ? reply.map(textOf) : reply;
}
