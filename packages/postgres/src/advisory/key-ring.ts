/** How a key is held. */
export type KeyMode = 'exclusive' | 'shared';

/** What the server and the ring agree on when they have the same: a heartbeat compares three numbers instead of all keys. */
export interface KeySums {
  readonly count: number;
  readonly high: number;
  readonly low: number;
}

const EXCLUSIVE = 1;
const SHARED = 2;
const bitOf: Readonly<Record<KeyMode, number>> = { exclusive: EXCLUSIVE, shared: SHARED };

/**
 * Every key that one session holds, each at most once in each mode. PostgreSQL grants a session what it has already and
 * counts; nobody can read that count, so it must never rise above one.
 */
export class KeyRing {
  readonly #keys = new Map<bigint, number>();
  #count = 0;
  #high = 0;
  #low = 0;

  get sums(): KeySums {
    return { count: this.#count, high: this.#high, low: this.#low };
  }

  has(key: bigint, mode: KeyMode): boolean {
    return ((this.#keys.get(key) ?? 0) & bitOf[mode]) !== 0;
  }

  add(key: bigint, mode: KeyMode): void {
    if (this.has(key, mode)) return;
    this.#keys.set(key, (this.#keys.get(key) ?? 0) | bitOf[mode]);
    this.#sum(key, mode, 1);
  }

  remove(key: bigint, mode: KeyMode): void {
    if (!this.has(key, mode)) return;
    const left = (this.#keys.get(key) ?? 0) & ~bitOf[mode];
    if (left === 0) this.#keys.delete(key);
    else this.#keys.set(key, left);
    this.#sum(key, mode, -1);
  }

  *entries(): Iterable<readonly [key: bigint, mode: KeyMode]> {
    for (const [key, bits] of this.#keys) {
      if ((bits & EXCLUSIVE) !== 0) yield [key, 'exclusive'];
      if ((bits & SHARED) !== 0) yield [key, 'shared'];
    }
  }

  /** Sums of 32-bit halves are exact in a double for two million keys. */
  #sum(key: bigint, mode: KeyMode, sign: 1 | -1): void {
    const unsigned = BigInt.asUintN(64, key);
    const weight = sign * bitOf[mode];
    this.#count += sign;
    this.#high += weight * Number(unsigned >> 32n);
    this.#low += weight * Number(unsigned & 0xffff_ffffn);
  }
}
