import type { Clock } from '@holdfast/core';
import type { ZooKeeperSession } from './zookeeper-session.js';

/** For so long the leader's time is reckoned from the last reading of it: it takes a write. */
const FRESH_MS = 1000;

/** What time the leader has, by whose clock nodes are dated. For people who look: nothing is decided by it. */
export class LeaderClock {
  readonly #session: Pick<ZooKeeperSession, 'beat'>;
  readonly #clock: Clock;
  #reading: { readonly at: number; readonly leaderMs: number } | null = null;

  constructor(session: Pick<ZooKeeperSession, 'beat'>, clock: Clock) {
    this.#session = session;
    this.#clock = clock;
  }

  /** In milliseconds since the Unix epoch; a round trip behind at most. */
  async now(): Promise<number> {
    const asked = this.#clock.now();
    if (this.#reading === null || asked - this.#reading.at > FRESH_MS) {
      const { modifiedAtMs } = await this.#session.beat();
      this.#reading = { at: this.#clock.now(), leaderMs: modifiedAtMs };
    }
    return this.#reading.leaderMs + Math.floor(this.#clock.now() - this.#reading.at);
  }
}
