import type { Clock } from '@holdfast/core';
import type { ZooKeeperSession } from './zookeeper-session.js';

/** What time the leader has, by whose clock nodes are dated. */
export class LeaderClock {
  readonly #session: Pick<ZooKeeperSession, 'beat'>;
  readonly #clock: Clock;
  readonly #freshMs: number;
  #reading: { readonly at: number; readonly leaderMs: number } | null = null;

  /** @param freshMs for so long the leader's time is reckoned from the last reading: a reading takes a write */
  constructor(session: Pick<ZooKeeperSession, 'beat'>, clock: Clock, freshMs: number) {
    this.#session = session;
    this.#clock = clock;
    this.#freshMs = freshMs;
  }

  /** In milliseconds since the Unix epoch; a round trip behind at most. */
  async now(): Promise<number> {
    const now = this.#clock.now();
    if (this.#reading === null || now - this.#reading.at > this.#freshMs) return await this.ask();
    return this.#reading.leaderMs + Math.floor(now - this.#reading.at);
  }

  /** The same by a write that shows it. */
  async ask(): Promise<number> {
    const { modifiedAtMs } = await this.#session.beat();
    this.#reading = { at: this.#clock.now(), leaderMs: modifiedAtMs };
    return modifiedAtMs;
  }
}
