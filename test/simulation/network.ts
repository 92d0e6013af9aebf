import type { Machine } from './machine.js';
import { Random } from './random.js';
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
  /** How often the sender hears the answer to that second copy, and not that to the first. */
  readonly secondAnswers: number;
  /** How often the sender gives the connection up before its request arrives, which then arrives anyway. */
  readonly abandons: number;
  /** What goes over one connection arrives in the order in which it was sent, as over TCP. @default false */
  readonly keepsOrder?: boolean;
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
  secondAnswers: 0,
  abandons: 0,
};

/** What may happen to a message. */
export type Mishap = 'lost' | 'late' | 'doubled' | 'abandoned' | 'reply lost' | 'reply late';

/** What one request is, to the network. */
export interface Exchange<T> {
  /** Whom the reply reaches. */
  readonly machine: Machine;
  /** Carries the request out at the server, and says its reply; null: the server is down. Called a second time for a duplicate. */
  readonly carryOut: () => { readonly reply: T } | null;
  /** What the sender hears of a connection that ended. */
  readonly ended: () => Error;
  readonly onMishap?: ((what: Mishap) => void) | undefined;
  /**
   * Messages of the same name share a sequence of fates, which nothing else draws from: so that a scenario with one thing less
   * treats the rest as before.
   */
  readonly name?: string | undefined;
  /** The connection, where the network keeps their order. */
  readonly connection?: string | undefined;
}

/** A network on which messages are late, lost, doubled and out of order. */
export class Network {
  readonly #world: World;
  readonly #seed: number;
  readonly #fates = new Map<string, Random>();
  /** By connection and direction: when what was sent last arrives. */
  readonly #arrivals = new Map<string, number>();
  weather: Weather;

  constructor(world: World, weather: Weather, seed = 0) {
    this.#world = world;
    this.#seed = seed;
    this.weather = weather;
  }

  /** A request and its reply. Of what is lost the sender hears late, when the connection ends, or never. */
  ask<T>({ machine, carryOut, ended, onMishap, name, connection }: Exchange<T>): Promise<T> {
    const { weather } = this;
    const random = this.#fateOf(name);
    return new Promise((resolve, reject) => {
      const fail = (): void => machine.reach(() => reject(ended()));
      const isDoubled = weather.duplicates > 0 && random.chance(weather.duplicates);
      const isFirstAnswered = !isDoubled || !random.chance(weather.secondAnswers);
      const arrive = (isAnswered: boolean): void => {
        const answer = carryOut();
        if (!isAnswered) return;
        if (answer === null) this.#world.later(this.#delay(random), fail);
        else if (random.chance(weather.loses)) {
          onMishap?.('reply lost');
          this.#lose(random, fail);
        } else {
          const delayMs = this.#behind(`from ${connection}`, this.#delay(random));
          if (delayMs > weather.slowestMs) onMishap?.('reply late');
          this.#world.later(delayMs, () => machine.reach(() => resolve(answer.reply)));
        }
      };
      if (random.chance(weather.loses)) {
        onMishap?.('lost');
        this.#lose(random, fail);
      } else {
        const delayMs = this.#behind(`to ${connection}`, this.#delay(random));
        if (delayMs > weather.slowestMs) onMishap?.('late');
        this.#world.later(delayMs, () => arrive(isFirstAnswered));
        if (weather.abandons > 0 && random.chance(weather.abandons)) {
          onMishap?.('abandoned');
          this.#world.later(random.between(0, delayMs), fail);
        }
      }
      if (isDoubled) {
        onMishap?.('doubled');
        this.#world.later(this.#delay(random) + this.#delay(random), () => arrive(!isFirstAnswered));
      }
    });
  }

  /** A message that nobody answers. */
  tell(arrive: () => void, name?: string, connection?: string): void {
    const random = this.#fateOf(name);
    if (!random.chance(this.weather.loses)) this.#world.later(this.#behind(`from ${connection}`, this.#delay(random)), arrive);
  }

  #delay(random: Random): number {
    const { fastestMs, slowestMs, straggles, stragglesMs } = this.weather;
    const usual = random.between(fastestMs, slowestMs);
    return straggles > 0 && random.chance(straggles) ? usual + random.between(0, stragglesMs) : usual;
  }

  /** Not before what was sent earlier over the same connection. */
  #behind(direction: string, delayMs: number): number {
    if (this.weather.keepsOrder !== true) return delayMs;
    const at = Math.max(this.#arrivals.get(direction) ?? 0, this.#world.now + delayMs);
    this.#arrivals.set(direction, at);
    return at - this.#world.now;
  }

  #lose(random: Random, fail: () => void): void {
    const { noticesMs } = this.weather;
    if (random.chance(0.7)) this.#world.later(random.between(20, 200), fail);
    else if (noticesMs < Number.POSITIVE_INFINITY) this.#world.later(random.between(200, noticesMs), fail);
  }

  #fateOf(name: string | undefined): Random {
    if (name === undefined) return this.#world;
    let fate = this.#fates.get(name);
    if (fate === undefined) {
      fate = new Random(hashOf(name, this.#seed));
      this.#fates.set(name, fate);
    }
    return fate;
  }
}

/** FNV-1a: names that differ in one letter lead to sequences that have nothing in common. */
function hashOf(name: string, seed: number): number {
  let hash = 0x811c9dc5 ^ seed;
  for (let at = 0; at < name.length; at++) hash = Math.imul(hash ^ name.charCodeAt(at), 0x01000193);
  return hash ^ (hash >>> 15);
}
