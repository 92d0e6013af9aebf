import { ConnectionFault } from '@holdfast/core/backend';
import { ChannelEars } from '../channel-ears.js';
import { isNoScript, replyCode } from '../redis-error.js';
import type { RedisScript } from '../redis-port.js';
import type { GlideDriverClient, GlideFactory, GlideRoute, GlideSettings } from './glide-client.js';
import { asResp2, isConnectionError, BYTES, portError } from './glide-reply.js';
import { ownOptions } from './own-options.js';

const SUBSCRIBE_MS = 2000;
/** The first address is the server, whatever its role is. */
export const STATIC = 1;

/**
 * A client of GLIDE, of the user's or of our own, and what GLIDE does not say of it. GLIDE reconnects by itself and reports nothing, and there is no way
 * to forbid it; but it never sends a request again that may have been carried out. One of ours ends with the first sign of a lost connection.
 */
export class GlideConnection {
  readonly factory: GlideFactory;
  readonly isCluster: boolean;
  readonly #settings: GlideSettings;
  readonly #connecting: Promise<void> | null;
  readonly #listeners = new Set<() => void>();
  readonly #ears: ChannelEars;
  /** Which scripts which node has had: an EVALSHA in vain is a warning in the driver's log. */
  readonly #known = new Set<string>();
  #client: GlideDriverClient | null = null;
  #isEnded = false;
  #inFlight = 0;

  /** @param client null: one of our own is made by the settings */
  constructor(factory: GlideFactory, settings: GlideSettings, client: GlideDriverClient | null, isCluster: boolean) {
    this.isCluster = isCluster;
    this.factory = factory;
    this.#settings = settings;
    this.#client = client;
    this.#connecting = client === null ? this.#connect() : null;
    this.#ears = new ChannelEars({
      subscribe: async (channel) => await this.#client?.subscribe([channel], SUBSCRIBE_MS),
      unsubscribe: (channel) => (this.isReady ? this.#client?.unsubscribeLazy([channel]) : undefined),
    });
  }

  /** What another client is made with. A user may give a client another password. */
  get settings(): GlideSettings {
    return this.#connecting === null ? (this.#client?.config ?? this.#settings) : this.#settings;
  }

  get isReady(): boolean {
    return this.#client !== null && !this.#client.isClosed && !this.#isEnded;
  }

  async ready(): Promise<void> {
    await this.#connecting;
    if (!this.isReady) throw new ConnectionFault('closed');
  }

  /** @param node where the script runs, in any spelling */
  run({ sha, source }: RedisScript, keys: readonly string[], args: readonly string[], node = '', route?: GlideRoute): Promise<unknown> {
    const words = [String(keys.length), ...keys, ...args];
    const id = node + sha;
    const evaluate = (): Promise<unknown> => this.send(['EVAL', source, ...words], route);
    if (!this.#known.has(id)) {
      // What is sent behind it finds the script there.
      this.#known.add(id);
      return evaluate();
    }
    return this.send(['EVALSHA', sha, ...words], route).then(undefined, (error: unknown) => {
      // It has not run, so it may be sent again.
      if (isNoScript(error)) return evaluate();
      throw error;
    });
  }

  send(words: readonly string[], route?: GlideRoute): Promise<unknown> {
    const client = this.#client;
    if (client === null || this.#isEnded) return Promise.reject(new ConnectionFault('closed'));
    const options = route === undefined ? { decoder: BYTES } : { decoder: BYTES, route };
    this.#inFlight += 1;
    return client.customCommand(words, options).then(
      (reply) => {
        this.#settled();
        return asResp2(reply);
      },
      (error: unknown) => {
        if (isConnectionError(error)) this.#failed();
        this.#settled();
        throw portError(error);
      },
    );
  }

  listen(channel: string, onMessage: (text: string) => void): Promise<() => void> {
    return this.#ears.listen(channel, onMessage);
  }

  onLost(listener: () => void): () => void {
    const own = (): void => listener();
    this.#listeners.add(own);
    return () => this.#listeners.delete(own);
  }

  /**
   * The driver has connected to the server again by itself. One of our own takes no more requests; those that are on their way reach the server
   * by the new connection, so the client is closed behind their answers.
   */
  replaced(): void {
    if (this.#connecting !== null) this.#isEnded = true;
    this.#closeIdle();
    this.#report();
  }

  /** One node of a cluster says nothing of the others, and the driver connects to the node again. */
  #failed(): void {
    if (this.isCluster && this.#client?.isClosed === false) this.#known.clear();
    else if (this.#connecting !== null) this.end();
    else this.#report();
  }

  #settled(): void {
    this.#inFlight -= 1;
    this.#closeIdle();
  }

  #closeIdle(): void {
    if (this.#inFlight === 0 && this.#isEnded) this.#close();
  }

  /** Ends one of our own. The driver closes the connection; it cannot be reset. */
  end(): void {
    const isFirst = !this.#isEnded;
    this.#isEnded = true;
    this.#close();
    if (isFirst) this.#report();
  }

  #close(): void {
    if (this.#client?.isClosed === false) this.#client.close();
  }

  #report(): void {
    this.#known.clear();
    for (const listener of this.#listeners) listener();
  }

  #connect(): Promise<void> {
    const hear = ({ channel, message }: { readonly channel: unknown; readonly message: unknown }): void =>
      this.#ears.hear(String(channel), String(message));
    const create = (more: GlideSettings): Promise<GlideDriverClient> =>
      this.factory.createClient(ownOptions({ ...this.#settings, ...more }, hear));
    const connecting = create({})
      .catch((error: unknown) => {
        // GLIDE asks which role the server has. Where the user may not ask, the server is taken as it is.
        if (this.isCluster || replyCode(portError(error)) !== 'NOPERM') throw error;
        return create({ nodeDiscoveryMode: STATIC });
      })
      .then(
        (client) => {
          // An idle connection does not keep the process alive; a pending call does, by a timer of the manager.
          client.socket?.unref?.();
          this.#client = client;
          if (this.#isEnded) client.close();
        },
        (error: unknown) => {
          throw portError(error);
        },
      );
    connecting.catch(() => {});
    return connecting;
  }
}
