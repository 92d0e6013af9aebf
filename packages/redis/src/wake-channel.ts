import type { Clock } from '@holdfast/core';
import { within } from '@holdfast/core/backend';
import type { ClientSource } from './client-source.js';
import { OwnedLink } from './link.js';
import type { RedisConnection } from './redis-connection.js';
import { replyCode } from './redis-error.js';

const CHANNEL_PREFIX = 'holdfast.wake:';
const OPEN_MS = 2000;
const PING_EVERY_MS = 5000;
const PING_MS = 2000;
const RETRY_MIN_MS = 50;
const RETRY_MAX_MS = 1000;
/** A balancer may send each connection elsewhere: so often at most one is made anew to bring both together. */
const REUNITE_MS = 1000;

/** What comes over the channel. */
export interface WakeListener {
  /** The hold with this key on the server may have become possible; with an owner: a place is reserved for that one. */
  onWake(holdKey: string, owner: string): void;
  /** The channel stands, for the first time or again: what was published before was missed. */
  onOpen(): void;
}

/**
 * The one channel of a backend, on a connection of its own: made when somebody waits for the first time, and made
 * again, as long as somebody waits, each time that it breaks. Nothing waits for it for ever: waiters poll as well.
 */
export class WakeChannel {
  readonly #channel: string;
  readonly #clock: Clock;
  readonly #source: ClientSource;
  readonly #link: OwnedLink;
  readonly #listener: WakeListener;
  #users = 0;
  #retryMs = RETRY_MIN_MS;
  #timer: { cancel(): void } | null = null;
  #reunitedAt = Number.NEGATIVE_INFINITY;
  #isClosed = false;

  constructor(source: ClientSource, id: string, clock: Clock, listener: WakeListener) {
    this.#channel = CHANNEL_PREFIX + id;
    this.#clock = clock;
    this.#listener = listener;
    this.#source = source;
    source.link.onServer = (serverId) => this.#follow(serverId);
    this.#link = new OwnedLink({
      clock,
      make: () => source.another(null),
      prepare: (connection) => this.#subscribe(connection),
      onLost: () => this.#retry(),
    });
  }

  get isOpen(): boolean {
    return this.#link.current !== null;
  }

  /** Somebody waits: the channel is opened, and kept open until `unuse`. */
  use(): void {
    this.#users += 1;
    if (this.#users === 1 && !this.isOpen) this.open(OPEN_MS).catch(() => this.#retry());
  }

  unuse(): void {
    this.#users -= 1;
  }

  /** Runs a wait with the channel open. @throws LockUnavailableError when it could not be opened in time */
  async during<T>(wait: () => Promise<T>, timeoutMs: number): Promise<T> {
    this.use();
    try {
      // Nobody could call it before the channel stands.
      await this.open(timeoutMs);
      return await wait();
    } finally {
      this.unuse();
    }
  }

  /** @throws LockUnavailableError when it could not be opened in time */
  async open(timeoutMs: number): Promise<void> {
    if (!this.isOpen) await this.#link.open(timeoutMs);
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#timer = null;
    this.#link.close();
  }

  async #subscribe(connection: RedisConnection): Promise<void> {
    await connection.listen(this.#channel, (text) => {
      const bar = text.indexOf('|');
      if (!this.#isClosed && bar >= 0) this.#listener.onWake(text.slice(bar + 1), text.slice(0, bar));
    });
    this.#retryMs = RETRY_MIN_MS;
    this.#timer?.cancel();
    this.#schedulePing(connection);
    const commands = this.#source.link.current?.connection;
    if (commands !== undefined && this.#areApart(commands.serverId, connection.serverId)) commands.giveUp(null);
    this.#listener.onOpen();
  }

  /**
   * The connection of the commands has come to lead to a server, which may be another one than this one leads to: after a fail-over, or behind an
   * address that has moved on while the old server lives. What is published there is not heard here.
   */
  #follow(serverId: string): void {
    const connection = this.#link.current?.connection;
    if (connection !== undefined && this.#areApart(connection.serverId, serverId)) connection.giveUp(null);
  }

  #areApart(one: string | null, other: string | null): boolean {
    if (one === null || other === null || one === other || this.#clock.now() - this.#reunitedAt < REUNITE_MS) return false;
    this.#reunitedAt = this.#clock.now();
    return true;
  }

  /** A silent connection looks like one on which nothing happens. */
  #schedulePing(connection: RedisConnection): void {
    this.#timer = this.#clock.setTimer(PING_EVERY_MS, () => {
      if (this.#users === 0) {
        this.#schedulePing(connection);
        return;
      }
      within(this.#clock, PING_MS, connection.client.call('ping')).then(
        () => {
          if (connection.isOpen) this.#schedulePing(connection);
        },
        // A user without the right to ping is told so: somebody is there.
        (error: unknown) => {
          if (replyCode(error) === 'NOPERM') this.#schedulePing(connection);
          else connection.giveUp(null);
        },
      );
    });
  }

  #retry(): void {
    this.#timer?.cancel();
    this.#timer = null;
    if (this.#isClosed || this.#users === 0) return;
    this.#timer = this.#clock.setTimer(this.#retryMs, () => {
      this.#timer = null;
      this.open(OPEN_MS).catch(() => this.#retry());
    });
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS);
  }
}
