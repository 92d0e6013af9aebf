import { ConnectionLook } from '../connection-look.js';
import type { RedisAddress, RedisPort, RedisScript } from '../redis-port.js';
import type { GlideDriverClient, GlideFactory, GlideSettings } from './glide-client.js';
import { GlideConnection } from './glide-connection.js';

export const GLIDE = '@valkey/valkey-glide';

/** A client of GLIDE for one server, or for a server with replicas, of which the primary is asked alone. */
export class GlidePort implements RedisPort {
  readonly driver = GLIDE;
  readonly #connection: GlideConnection;
  readonly #look: ConnectionLook;

  constructor(connection: GlideConnection) {
    this.#connection = connection;
    this.#look = new ConnectionLook(
      () => connection.send(['CLIENT', 'INFO']),
      () => connection.replaced(),
    );
    connection.onLost(() => this.#look.forget());
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
    this.#look.look();
    return this.#connection.run(script, keys, args);
  }

  call(command: string, ...words: readonly string[]): Promise<unknown> {
    this.#look.look();
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
}
