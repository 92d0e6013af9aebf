import { systemClock } from '@holdfast/core';
import type { RedisAddress, RedisPort, RedisScript } from '../redis-port.js';
import { type GlideDriverClient, type GlideFactory, type GlideSettings } from './glide-client.js';
import { GlideConnection } from './glide-connection.js';

export const GLIDE = '@valkey/valkey-glide';

/** So often at most, while it is used, a client is asked whether its connection is still the same. */
const LOOK_MS = 1000;

/** A client of GLIDE for one server, or for a server with replicas, of which the primary is asked alone. */
export class GlidePort implements RedisPort {
  readonly driver = GLIDE;
  readonly #connection: GlideConnection;
  #lookedAt = Number.NEGATIVE_INFINITY;
  /** Both ends of the connection, as the server knows them; null before the first look. */
  #ends: string | null = null;

  constructor(connection: GlideConnection) {
    this.#connection = connection;
    connection.onLost(() => {
      this.#ends = null;
    });
  }

  /** The client of the user. */
  static of(client: GlideDriverClient): GlidePort {
    return new GlidePort(new GlideConnection(client.constructor, client.config ?? {}, client, false));
  }

  /** A client of our own, which begins to connect. */
  static open(factory: GlideFactory, settings: GlideSettings): GlidePort {
    return new GlidePort(new GlideConnection(factory, settings, null, false));
  }

  get isReady(): boolean {
    return this.#connection.isReady;
  }

  get address(): RedisAddress | null {
    const [first] = (this.#connection.settings['addresses'] ?? []) as readonly { readonly host: string; readonly port?: number }[];
    return first === undefined ? null : { host: first.host, port: first.port ?? 6379 };
  }

  ready(): Promise<void> {
    return this.#connection.ready();
  }

  run(script: RedisScript, keys: readonly string[], args: readonly string[]): Promise<unknown> {
    this.#look();
    return this.#connection.run(script, keys, args);
  }

  call(command: string, ...words: readonly string[]): Promise<unknown> {
    this.#look();
    return this.#connection.send([command, ...words]);
  }

  listen(channel: string, onMessage: (text: string) => void): Promise<() => void> {
    return this.#connection.listen(channel, onMessage);
  }

  onLost(listener: () => void): () => void {
    return this.#connection.onLost(listener);
  }

  another(): RedisPort {
    return GlidePort.open(this.#connection.factory, this.#connection.settings);
  }

  end(): void {
    this.#connection.end();
  }

  /** GLIDE reports no reconnection: another end of the connection does, asked for in front of what is asked anyway. */
  #look(): void {
    const now = systemClock.now();
    if (now - this.#lookedAt < LOOK_MS) return;
    this.#lookedAt = now;
    this.#connection.send(['CLIENT', 'INFO']).then(
      (info) => {
        const ends = /\bid=\d+ addr=\S+ laddr=\S+/.exec(String(info))?.[0] ?? null;
        const before = this.#ends;
        if (before !== null && before !== ends) this.#connection.lose();
        this.#ends = ends;
      },
      // Where the user has no permission to ask, a lost connection is noticed by what fails.
      () => {},
    );
  }
}
