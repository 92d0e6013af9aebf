import type { Machine } from './machine.js';
import type { World } from './world.js';

/** How a network misbehaves. */
export interface Weather {
  readonly fastestMs: number;
  readonly slowestMs: number;
  /** How often a message takes much longer. */
  readonly straggles: number;
  readonly stragglesMs: number;
  readonly loses: number;
  /** When the end of a connection is noticed at the latest that carried a lost message; Infinity: for some never. */
  readonly noticesMs: number;
  /** How often a request arrives a second time, later. */
  readonly duplicates: number;
  /** How often the sender gives the connection up before its request arrives, which then arrives all the same. */
  readonly abandons: number;
}

/** A network without faults. */
export const calm: Weather = {
  fastestMs: 0.1,
  slowestMs: 1,
  straggles: 0,
  stragglesMs: 0,
  loses: 0,
  noticesMs: 200,
  duplicates: 0,
  abandons: 0,
};

/** What one request is, to the network. */
export interface Exchange<T> {
  /** Whom the reply reaches. */
  readonly machine: Machine;
  /** Carries the request out at the server, and says its reply; null: the server is down. Called a second time for a duplicate. */
  readonly carryOut: () => { readonly reply: T } | null;
  /** What the sender is told of a connection that ended. */
  readonly ended: () => Error;
  /** Something happened to it that a network without faults would not have done. */
  readonly onFault?: ((what: 'lost' | 'late' | 'doubled' | 'abandoned' | 'reply lost' | 'reply late') => void) | undefined;
}

/** A network on which messages are late, lost, doubled and out of order. */
export class Network {
  readonly #world: World;
  weather: Weather;

  constructor(world: World, weather: Weather) {
    this.#world = world;
    this.weather = weather;
  }

  /** A request and its reply. Of what is lost the sender hears late, when the connection ends, or never. */
  ask<T>(exchange: Exchange<T>): Promise<T> {
    const { weather } = this;
    const { machine, carryOut, ended, onFault } = exchange;
    return new Promise((resolve, reject) => {
      const fail = (): void => machine.reach(() => reject(ended()));
      const arrive = (isFirst: boolean): void => {
        const answer = carryOut();
        if (!isFirst) return;
        if (answer === null) this.#world.later(this.delay(), fail);
        else if (this.#world.chance(weather.loses)) {
          onFault?.('reply lost');
          this.#lose(fail);
        } else {
          const delayMs = this.delay();
          if (delayMs > weather.slowestMs) onFault?.('reply late');
          this.#world.later(delayMs, () => machine.reach(() => resolve(answer.reply)));
        }
      };
      if (this.#world.chance(weather.loses)) {
        onFault?.('lost');
        this.#lose(fail);
      } else {
        const delayMs = this.delay();
        if (delayMs > weather.slowestMs) onFault?.('late');
        this.#world.later(delayMs, () => arrive(true));
        if (weather.abandons > 0 && this.#world.chance(weather.abandons)) {
          onFault?.('abandoned');
          this.#world.later(this.#world.between(0, delayMs), fail);
        }
      }
      if (weather.duplicates > 0 && this.#world.chance(weather.duplicates)) {
        onFault?.('doubled');
        this.#world.later(this.delay() + this.delay(), () => arrive(false));
      }
    });
  }

  /** A message that nobody answers. */
  tell(arrive: () => void): void {
    if (!this.#world.chance(this.weather.loses)) this.#world.later(this.delay(), arrive);
  }

  /** For how long the next message is on its way. */
  delay(): number {
    const { fastestMs, slowestMs, straggles, stragglesMs } = this.weather;
    const usual = this.#world.between(fastestMs, slowestMs);
    return straggles > 0 && this.#world.chance(straggles) ? usual + this.#world.between(0, stragglesMs) : usual;
  }

  #lose(fail: () => void): void {
    const { noticesMs } = this.weather;
    if (this.#world.chance(0.7)) this.#world.later(this.#world.between(20, 200), fail);
    else if (noticesMs < Number.POSITIVE_INFINITY) this.#world.later(this.#world.between(200, noticesMs), fail);
  }
}
