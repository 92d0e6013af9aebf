import { type Command, ConnectionFault, type Step, type StoreConnection } from '@holdfast/core/backend';
import type { RedisPort } from './redis-port.js';
import type { Script } from './scripts.generated.js';

/** Whose the client is, and whether what it was connected to is still there. */
export interface Ownership {
  /** A client of the user's is never ended. */
  readonly isOurs: boolean;
  /** How often the user's client has lost its connection; null of ours, which does not come back. */
  readonly watch: { readonly losses: number } | null;
}

/** A client, as the sender and the wake channel know it. */
export class RedisConnection<S extends Step & Script = Step & Script> implements StoreConnection<S> {
  readonly port: RedisPort;
  /** Which process of a server it leads to, once that is known; null where the user may not ask, and of a cluster. */
  serverId: string | null = null;
  readonly #ownership: Ownership;
  readonly #lossesBefore: number;
  #isEnded = false;

  constructor(port: RedisPort, ownership: Ownership) {
    this.port = port;
    this.#ownership = ownership;
    this.#lossesBefore = ownership.watch?.losses ?? 0;
  }

  get isOpen(): boolean {
    const { watch } = this.#ownership;
    return !this.#isEnded && (watch === null ? this.port.isReady : watch.losses === this.#lossesBefore);
  }

  send(commands: readonly Command<S>[]): readonly Promise<unknown>[] {
    if (this.#isEnded) return commands.map(() => Promise.reject(new ConnectionFault('closed')));
    const depart = commands.length === 1 ? undefined : this.port.gather?.();
    const replies: Promise<unknown>[] = [];
    for (const { step, keys, args } of commands) {
      try {
        replies.push(this.port.run(step, keys, args));
      } catch (error) {
        replies.push(Promise.reject(error));
      }
    }
    depart?.();
    return replies;
  }

  listen(channel: string, onMessage: (text: string) => void): Promise<() => void> {
    return this.port.listen(channel, onMessage);
  }

  giveUp(route: number | null): void {
    if (!this.#ownership.isOurs || this.#isEnded) return;
    const isOfNode = this.port.isCluster === true && route !== null;
    this.port.end(isOfNode ? route : null);
    if (!isOfNode || !this.port.isReady) this.#isEnded = true;
  }

  close(): void {
    if (!this.#ownership.isOurs || this.#isEnded) return;
    this.#isEnded = true;
    if (this.port.close === undefined) this.port.end(null);
    else this.port.close();
  }
}
