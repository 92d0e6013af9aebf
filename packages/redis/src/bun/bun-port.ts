import { ConnectionFault } from '@holdfast/core/backend';
import { ChannelEars } from '../channel-ears.js';
import { ConnectionLook } from '../connection-look.js';
import type { RedisPort, RedisScript } from '../redis-port.js';
import { runScript } from '../run-script.js';
import type { BunDriverClient } from './bun-client.js';

/**
 * Bun's own client of Redis. It never sends again what it has once sent. Without a report it reconnects by itself, and does not hear
 * its channels then: one of ours ends in place of that.
 */
export class BunPort implements RedisPort {
  readonly driver = 'bun';
  /** Of one of ours: while it connects. */
  readonly #connecting: Promise<void> | null;
  readonly #listeners = new Set<() => void>();
  readonly #look = new ConnectionLook(
    () => this.#send(['CLIENT', 'INFO']),
    () => this.#lose(),
  );
  readonly #ears: ChannelEars;
  #client: BunDriverClient | null = null;
  #isEnded = false;

  /** @param client the user's, or one of ours that is about to be made */
  constructor(client: BunDriverClient | Promise<BunDriverClient>) {
    this.#connecting = client instanceof Promise ? this.#adopt(client) : null;
    if (!(client instanceof Promise)) this.#client = client;
    this.#ears = new ChannelEars({
      subscribe: async (channel) => await this.#client?.subscribe(channel, (text, from) => this.#ears.hear(from, text)),
      unsubscribe: (channel) => (this.isReady ? this.#client?.unsubscribe(channel) : undefined),
    });
  }

  get isReady(): boolean {
    return !this.#isEnded && this.#client?.connected === true;
  }

  async ready(): Promise<void> {
    await this.#connecting;
    if (!this.isReady) throw new ConnectionFault('closed');
  }

  run(script: RedisScript, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    this.#look.look();
    return runScript(script, keys, args, (words) => this.#send(words));
  }

  async call(command: string, ...words: readonly string[]): Promise<unknown> {
    this.#look.look();
    return asResp2(await this.#send([command, ...words]));
  }

  listen(channel: string, onMessage: (text: string) => void): Promise<() => void> {
    return this.#ears.listen(channel, onMessage);
  }

  onLost(listener: () => void): () => void {
    const own = (): void => listener();
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  another(): RedisPort {
    const client = this.#client;
    return new BunPort(client === null ? Promise.reject(new ConnectionFault('closed')) : client.duplicate());
  }

  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#client?.close();
    this.#report();
  }

  async #send([command = '', ...words]: readonly string[]): Promise<unknown> {
    const client = this.#client;
    if (client === null || this.#isEnded) throw new ConnectionFault('closed');
    try {
      return await client.send(command, words);
    } catch (error) {
      if (isClosed(error)) this.#lose();
      throw portError(error);
    }
  }

  #lose(): void {
    if (this.#connecting !== null) this.end();
    else this.#report();
  }

  #report(): void {
    this.#look.forget();
    for (const listener of this.#listeners) listener();
  }

  #adopt(making: Promise<BunDriverClient>): Promise<void> {
    const connecting = making.then(
      (client) => {
        this.#client = client;
        if (this.#isEnded) return client.close();
        // The first connection stands already.
        client.onconnect = () => this.end();
        client.onclose = () => this.end();
      },
      (error: unknown) => {
        throw portError(error);
      },
    );
    connecting.catch(() => {});
    return connecting;
  }
}

function isClosed(error: unknown): boolean {
  return (error as { readonly code?: unknown } | null)?.code === 'ERR_REDIS_CONNECTION_CLOSED';
}

/** Bun's codes say less than the server's words in the message. */
function portError(error: unknown): unknown {
  if (!(error instanceof Error) || error instanceof ConnectionFault) return error;
  const { code } = error as { readonly code?: unknown };
  if (isClosed(error)) return new Error('the connection is closed', { cause: error });
  const isAnswer = code === 'ERR_REDIS_SERVER_ERROR' || /^(?:ERR|[A-Z]{4,}) /.test(error.message);
  const found = new Error(error.message, { cause: error });
  if (isAnswer) found.name = 'ReplyError';
  return found;
}

/** Bun makes objects of what RESP2 has as a list. */
function asResp2(reply: unknown): unknown {
  if (Array.isArray(reply)) return reply.map(asResp2);
  if (typeof reply !== 'object' || reply === null) return reply;
  return Object.entries(reply).flatMap(([key, value]) => [key, asResp2(value)]);
}
