import type { Clock } from '@holdfast/core';
import { within } from '@holdfast/core/backend';
import type { ClientSource } from './client-source.js';
import { OwnedLink } from './link.js';
import type { RedisConnection } from './redis-connection.js';
import { replyCode, unavailable } from './redis-error.js';

const CHANNEL_PREFIX = 'holdfast.wake:';
const OPEN_MS = 2000;
const PING_EVERY_MS = 5000;
const PING_MS = 2000;
const RETRY_MIN_MS = 50;
const RETRY_MAX_MS = 1000;
/** A balancer may send each connection elsewhere: so often at most one is made anew to bring both together. */
const REUNITE_MS = 1000;

/** What comes over the channels. */
export interface WakeListener {
  /** @param isOurServer whether the message comes from the very server that the commands go to */
  onMessage(text: string, isOurServer: boolean): void;
  /** The channel of this tag is heard, for the first time or again: what was published before was missed. */
  onOpen?(tag: string): void;
  /** The connection was made, for the first time or again. */
  onConnected?(): void;
}

/** What is published under one tag. */
interface Channel {
  users: number;
  /** The connection on which it is heard, or is about to be. */
  connection: RedisConnection | null;
  opening: Promise<void>;
  stop: () => void;
}

/**
 * The messages to this backend, on one connection of its own: made when somebody waits for the first time, and made again, as long as
 * somebody waits, each time that it breaks. On a cluster there is one channel a slot in which somebody waits, under the slot's tag; elsewhere
 * one, of the tag ''. Nothing waits for it for ever: waiters poll as well.
 */
export class WakeChannel {
  readonly #id: string;
  readonly #clock: Clock;
  readonly #source: ClientSource;
  readonly #link: OwnedLink;
  readonly #listener: WakeListener;
  readonly #channels = new Map<string, Channel>();
  #retryMs = RETRY_MIN_MS;
  #timer: { cancel(): void } | null = null;
  #reunitedAt = Number.NEGATIVE_INFINITY;
  #isClosed = false;

  constructor(source: ClientSource, id: string, clock: Clock, listener: WakeListener) {
    this.#id = id;
    this.#clock = clock;
    this.#listener = listener;
    this.#source = source;
    source.link.onServer = (serverId) => this.#follow(serverId);
    this.#link = new OwnedLink({
      clock,
      make: () => source.another(null),
      prepare: (connection) => this.#prepare(connection),
      onLost: () => this.#retry(),
    });
  }

  /** Whether what is published under the tag is heard. */
  isOpen(tag: string): boolean {
    const { current } = this.#link;
    return current !== null && this.#channels.get(tag)?.connection === current.connection;
  }

  /** Somebody waits: the channel is opened, and kept open until `unuse`. */
  use(tag = ''): void {
    const channel = this.#channelOf(tag);
    channel.users += 1;
    if (channel.users === 1) this.#open(tag, channel, OPEN_MS).catch(() => this.#retry());
  }

  unuse(tag = ''): void {
    const channel = this.#channels.get(tag);
    if (channel === undefined) return;
    channel.users -= 1;
    // Where there is one, it stays for the next waiter.
    if (channel.users > 0 || tag === '') return;
    this.#channels.delete(tag);
    channel.opening.then(() => channel.stop()).catch(() => {});
  }

  /** Runs a wait with the channel open. @throws LockUnavailableError when it could not be opened in time */
  async during<T>(tag: string, wait: () => Promise<T>, timeoutMs: number): Promise<T> {
    const channel = this.#channelOf(tag);
    channel.users += 1;
    try {
      // Nobody could call it before the channel stands.
      await this.#open(tag, channel, timeoutMs);
      return await wait();
    } finally {
      this.unuse(tag);
    }
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#timer = null;
    this.#link.close();
  }

  get #isUsed(): boolean {
    for (const { users } of this.#channels.values()) if (users > 0) return true;
    return false;
  }

  #channelOf(tag: string): Channel {
    let channel = this.#channels.get(tag);
    if (channel === undefined) {
      channel = { users: 0, connection: null, opening: Promise.resolve(), stop: () => {} };
      this.#channels.set(tag, channel);
    }
    return channel;
  }

  /** @throws LockUnavailableError when it could not be opened in time */
  async #open(tag: string, channel: Channel, timeoutMs: number): Promise<void> {
    const { connection } = this.#link.current ?? (await this.#link.open(timeoutMs));
    // What was in use when the connection was made is heard on it already.
    if (channel.connection !== connection) this.#listen(tag, channel, connection);
    try {
      await within(this.#clock, timeoutMs, channel.opening);
    } catch (error) {
      throw unavailable(error, null, connection.port.driver);
    }
  }

  #listen(tag: string, channel: Channel, connection: RedisConnection): void {
    channel.connection = connection;
    channel.opening = connection
      .listen(CHANNEL_PREFIX + tag + this.#id, (text) => this.#hear(text, connection.serverId))
      .then(
        (stop) => {
          channel.stop = stop;
          this.#listener.onOpen?.(tag);
        },
        (error: unknown) => {
          if (channel.connection === connection) channel.connection = null;
          throw error;
        },
      );
    channel.opening.catch(() => {});
  }

  #hear(text: string, serverId: string | null): void {
    if (this.#isClosed) return;
    this.#listener.onMessage(text, serverId !== null && serverId === this.#source.link.current?.connection.serverId);
  }

  async #prepare(connection: RedisConnection): Promise<void> {
    const channels = [...this.#channels];
    for (const [tag, channel] of channels) this.#listen(tag, channel, connection);
    await Promise.all(channels.map(([, { opening }]) => opening));
    this.#retryMs = RETRY_MIN_MS;
    this.#timer?.cancel();
    this.#schedulePing(connection);
    const commands = this.#source.link.current?.connection;
    if (commands !== undefined && this.#areApart(commands.serverId, connection.serverId)) commands.giveUp(null);
    this.#listener.onConnected?.();
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
      if (!this.#isUsed) {
        this.#schedulePing(connection);
        return;
      }
      within(this.#clock, PING_MS, connection.port.call('PING')).then(
        () => {
          if (connection.isOpen) this.#schedulePing(connection);
        },
        // A user without the permission to ping gets an answer that says so: the server is there.
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
    if (this.#isClosed || !this.#isUsed) return;
    this.#timer = this.#clock.setTimer(this.#retryMs, () => {
      this.#timer = null;
      this.#link.open(OPEN_MS).catch(() => this.#retry());
    });
    this.#retryMs = Math.min(this.#retryMs * 2, RETRY_MAX_MS);
  }
}
