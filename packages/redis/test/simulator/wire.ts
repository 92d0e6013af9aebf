import { type Machine, Random, type Weather, type World } from '@holdfast/test/simulation';

/** What is at the two ends of a connection. */
export interface WireEnds {
  /** Something arrives at the server. */
  carryOut(words: readonly string[], wire: Wire): unknown;
  /** The client learns that the connection has ended. */
  onEnd(): void;
  onMessage(channel: string, text: string): void;
  /** The server learns it. */
  onGone(wire: Wire): void;
  onMishap(what: string, words: readonly string[]): void;
}

/**
 * One connection. What is sent arrives in order, if at all; it may break without either end's noticing, and what was sent on it may arrive
 * when its client has long given it up.
 */
export class Wire {
  readonly #world: World;
  readonly #machine: Machine;
  readonly #weather: () => Weather;
  readonly #ends: WireEnds;
  readonly #random: Random;
  /** Packets that are on their way arrive also when the client has ended the connection. */
  readonly #deliversLate: boolean;
  #lastUp = 0;
  #lastDown = 0;
  /** Nothing that is sent from now on arrives. */
  #isBroken = false;
  #isEnded = false;

  constructor(world: World, machine: Machine, weather: () => Weather, seed: number, ends: WireEnds) {
    this.#world = world;
    this.#machine = machine;
    this.#weather = weather;
    this.#ends = ends;
    this.#random = new Random(seed);
    this.#deliversLate = this.#random.chance(weather().abandons > 0 ? 0.7 : 0);
  }

  send(words: readonly string[], onReply: (reply: unknown) => void): void {
    if (this.#isBroken || this.#isEnded) return;
    const { loses, slowestMs, stragglesMs } = this.#weather();
    const isLost = this.#random.chance(loses / 2);
    const delayMs = this.#delay() + (isLost ? this.#random.between(0, stragglesMs) : 0);
    if (isLost) {
      this.#ends.onMishap(this.#deliversLate ? 'breaks behind' : 'breaks before', words);
      this.#break();
      if (!this.#deliversLate) return;
    } else if (delayMs > slowestMs) this.#ends.onMishap('late', words);
    this.#lastUp = Math.max(this.#lastUp, this.#world.now + delayMs);
    this.#world.later(this.#lastUp - this.#world.now, () => {
      if (this.#isEnded && !this.#deliversLate) return;
      const reply = this.#ends.carryOut(words, this);
      if (this.#random.chance(this.#weather().loses / 2)) {
        this.#ends.onMishap('breaks before the reply to', words);
        this.#break();
      }
      this.#down(
        () => onReply(reply),
        () => this.#ends.onMishap('late reply to', words),
      );
    });
  }

  /** @returns whether the server believes that somebody is there */
  publish(channel: string, text: string): void {
    this.#down(
      () => this.#ends.onMessage(channel, text),
      () => {},
    );
  }

  /** The client ends it. The server hears of that, unless the network is gone. */
  end(): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    this.#world.later(this.#isBroken ? this.#random.between(500, 3_000) : this.#delay(), () => this.#ends.onGone(this));
  }

  #down(arrive: () => void, onLate: () => void): void {
    if (this.#isBroken || this.#isEnded) return;
    const delayMs = this.#delay();
    if (delayMs > this.#weather().slowestMs) onLate();
    this.#lastDown = Math.max(this.#lastDown, this.#world.now + delayMs);
    this.#world.later(this.#lastDown - this.#world.now, () =>
      this.#machine.reach(() => {
        if (!this.#isEnded) arrive();
      }),
    );
  }

  #break(): void {
    if (this.#isBroken) return;
    this.#isBroken = true;
    const { noticesMs } = this.#weather();
    const noticed = this.#random.chance(0.7) ? this.#random.between(20, 200) : this.#random.between(200, noticesMs);
    this.#world.later(noticed, () =>
      this.#machine.reach(() => {
        if (this.#isEnded) return;
        this.end();
        this.#ends.onEnd();
      }),
    );
  }

  #delay(): number {
    const { fastestMs, slowestMs, straggles, stragglesMs } = this.#weather();
    const usual = this.#random.between(fastestMs, slowestMs);
    // One connection stalls less often than one of many messages is late.
    return straggles > 0 && this.#random.chance(straggles / 3) ? usual + this.#random.between(0, stragglesMs) : usual;
  }
}
