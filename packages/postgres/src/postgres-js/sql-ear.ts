import type { Clock } from '@holdfast/core';
import type { DriverSql } from './postgres-sql.js';

const TRY_AGAIN_MS = 2_000;

/** Who is to hear what comes over the channels. */
export interface Hearer {
  onMessage(channel: string, payload: string): void;
  /** What was sent on the channel before is not known. */
  onListening(channel: string): void;
}

interface Channel {
  isHeard: boolean;
  /** Resolves when the server has confirmed it for the first time. */
  readonly heard: Promise<void>;
}

/**
 * Listens where postgres.js does: on a connection that it keeps for that beside all others, makes anew when it ends, and listens on again. So what
 * is heard does not depend on the session of the locks, and may be missed while that connection is gone.
 */
export class SqlEar {
  readonly #sql: DriverSql;
  readonly #clock: Clock;
  readonly #channels = new Map<string, Channel>();
  readonly #hearers = new Set<Hearer>();
  readonly #listeners: Awaited<ReturnType<DriverSql['listen']>>[] = [];
  #isClosed = false;

  constructor(sql: DriverSql, clock: Clock) {
    this.#sql = sql;
    this.#clock = clock;
  }

  /** Resolves when the server has confirmed that it listens; it may never. */
  listen(channel: string): Promise<void> {
    return (this.#channels.get(channel) ?? this.#open(channel)).heard;
  }

  add(hearer: Hearer): { close(): void } {
    this.#hearers.add(hearer);
    return { close: () => void this.#hearers.delete(hearer) };
  }

  close(): void {
    this.#isClosed = true;
    this.#channels.clear();
    this.#hearers.clear();
    for (const listener of this.#listeners.splice(0)) listener.unlisten().catch(() => {});
  }

  #open(name: string): Channel {
    let confirm = (): void => {};
    const heard = new Promise<void>((resolve) => {
      confirm = resolve;
    });
    const channel: Channel = { isHeard: false, heard };
    this.#channels.set(name, channel);
    const isOurs = (): boolean => this.#channels.get(name) === channel;
    const listening = this.#sql.listen(
      name,
      (payload) => {
        if (isOurs()) for (const hearer of [...this.#hearers]) hearer.onMessage(name, payload);
      },
      () => {
        if (!isOurs()) return;
        channel.isHeard = true;
        confirm();
        for (const hearer of [...this.#hearers]) hearer.onListening(name);
      },
    );
    void this.#follow(name, channel, listening);
    return channel;
  }

  /** Never rejects. The driver tries again by itself where its connection failed, and not where the server refused. */
  async #follow(name: string, channel: Channel, listening: ReturnType<DriverSql['listen']>): Promise<void> {
    try {
      const listener = await listening;
      if (this.#isClosed) await listener.unlisten();
      else this.#listeners.push(listener);
    } catch {
      this.#clock.setTimer(TRY_AGAIN_MS, () => {
        if (!this.#isClosed && !channel.isHeard) this.#open(name);
      });
    }
  }
}
