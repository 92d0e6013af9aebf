/** Numbers that are the same for the same seed (xorshift32 with a multiplied output). */
export class Random {
  #state: number;

  constructor(seed: number) {
    // A state of 0 would stay 0; the odd factor spreads neighbouring seeds apart.
    this.#state = Math.imul(seed >>> 0, 0x9e3779b1) >>> 0 || 0x6d2b79f5;
  }

  /** In [0, 1). */
  readonly random = (): number => {
    this.#state ^= this.#state << 13;
    this.#state ^= this.#state >>> 17;
    this.#state ^= this.#state << 5;
    return (Math.imul(this.#state, 0x2c1b3c6d) >>> 0) / 2 ** 32;
  };

  chance(probability: number): boolean {
    return this.random() < probability;
  }

  between(low: number, high: number): number {
    return low + (high - low) * this.random();
  }

  /** Both ends are included. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.random() * (high - low + 1));
  }

  pick<T>(items: readonly T[]): T {
    const item = items[Math.floor(this.random() * items.length)];
    if (item === undefined) throw new RangeError('nothing to pick from');
    return item;
  }
}
