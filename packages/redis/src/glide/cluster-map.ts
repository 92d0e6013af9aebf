import { systemClock } from '@holdfast/core';
import type { RedisAddress } from '../redis-port.js';

/** For so long a map is taken for true, unless a command shows otherwise. */
const FRESH_MS = 5000;

/** Which master has which slot: GLIDE knows, and does not say. */
export class ClusterMap {
  readonly #ask: () => Promise<unknown>;
  #ranges: readonly { readonly first: number; readonly last: number; readonly master: RedisAddress }[] = [];
  #loadedAt = Number.NEGATIVE_INFINITY;
  #loading: Promise<void> | null = null;

  /** @param ask the answer of CLUSTER SLOTS */
  constructor(ask: () => Promise<unknown>) {
    this.#ask = ask;
  }

  /** Each once. */
  get masters(): readonly RedisAddress[] {
    const found = new Map(this.#ranges.map(({ master }) => [`${master.host}:${master.port}`, master]));
    return [...found.values()];
  }

  masterOf(slot: number): RedisAddress | null {
    return this.#ranges.find(({ first, last }) => first <= slot && slot <= last)?.master ?? null;
  }

  /** What is known may be wrong: the next use asks. */
  doubt(): void {
    this.#loadedAt = Number.NEGATIVE_INFINITY;
  }

  /** Asks where what is known is old, beside what is asked anyway. */
  refresh(): void {
    if (systemClock.now() - this.#loadedAt > FRESH_MS) this.load().catch(() => {});
  }

  /** Asks the cluster. One question at a time. */
  load(): Promise<void> {
    this.#loading ??= this.#load().finally(() => {
      this.#loading = null;
    });
    return this.#loading;
  }

  async #load(): Promise<void> {
    this.#loadedAt = systemClock.now();
    const reply = await this.#ask();
    if (!Array.isArray(reply)) return;
    this.#ranges = reply.flatMap((range: unknown) => {
      const [first, last, master] = range as readonly [unknown, unknown, readonly [unknown, unknown] | undefined];
      const [host, port] = master ?? [];
      if (typeof host !== 'string' || host === '' || !Number.isInteger(Number(port))) return [];
      return [{ first: Number(first), last: Number(last), master: { host, port: Number(port) } }];
    });
  }
}
