/** What a server keeps under one key. */
type Value = string | Map<string, number> | Map<string, string>;

interface Entry {
  value: Value;
  /** Wall-clock milliseconds; null: it stays. */
  expireAt: number | null;
}

/** The data of a Redis server and the commands that the scripts use of it. Kept to the real one by a differential test. */
export class RedisData {
  readonly #entries = new Map<string, Entry>();
  /** Wall-clock milliseconds, as of the beginning of the present script. */
  now = 0;

  get keys(): readonly string[] {
    return [...this.#entries.keys()].filter((key) => this.#find(key) !== undefined);
  }

  get(key: string): string | null {
    const value = this.#find(key)?.value;
    return typeof value === 'string' ? value : null;
  }

  set(key: string, value: string, ttlMs: number | null): void {
    this.#entries.set(key, { value, expireAt: ttlMs === null ? null : this.now + ttlMs });
  }

  delete(key: string): void {
    this.#entries.delete(key);
  }

  exists(...keys: readonly string[]): boolean {
    return keys.some((key) => this.#find(key) !== undefined);
  }

  /** -2 for no key, -1 for one that stays. */
  pttl(key: string): number {
    const entry = this.#find(key);
    if (entry === undefined) return -2;
    return entry.expireAt === null ? -1 : entry.expireAt - this.now;
  }

  pexpire(key: string, ttlMs: number): void {
    const entry = this.#find(key);
    if (entry !== undefined) entry.expireAt = this.now + ttlMs;
  }

  hget(key: string, field: string): string | null {
    return this.#hash(key)?.get(field) ?? null;
  }

  hset(key: string, field: string, value: string): void {
    const hash = this.#hash(key);
    if (hash === null) this.#entries.set(key, { value: new Map([[field, value]]), expireAt: null });
    else hash.set(field, value);
  }

  hdel(key: string, field: string): void {
    const hash = this.#hash(key);
    hash?.delete(field);
    if (hash?.size === 0) this.#entries.delete(key);
  }

  zadd(key: string, score: number, member: string): void {
    const set = this.#set(key);
    if (set === null) this.#entries.set(key, { value: new Map([[member, score]]), expireAt: null });
    else set.set(member, score);
  }

  zrem(key: string, ...members: readonly string[]): void {
    const set = this.#set(key);
    for (const member of members) set?.delete(member);
    if (set?.size === 0) this.#entries.delete(key);
  }

  zscore(key: string, member: string): number | null {
    return this.#set(key)?.get(member) ?? null;
  }

  zcard(key: string): number {
    return this.#set(key)?.size ?? 0;
  }

  /** By score, and by the member's bytes where the scores are the same. */
  zrange(key: string): readonly (readonly [member: string, score: number])[] {
    const set = this.#set(key);
    return set === null ? [] : [...set].sort(([a, s], [b, t]) => s - t || (a < b ? -1 : 1));
  }

  #find(key: string): Entry | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.expireAt === null || this.now <= entry.expireAt) return entry;
    this.#entries.delete(key);
    return undefined;
  }

  #set(key: string): Map<string, number> | null {
    const value = this.#find(key)?.value;
    return value instanceof Map ? (value as Map<string, number>) : null;
  }

  #hash(key: string): Map<string, string> | null {
    const value = this.#find(key)?.value;
    return value instanceof Map ? (value as Map<string, string>) : null;
  }
}
