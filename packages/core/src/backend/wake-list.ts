import { addTo, removeFrom } from '../groups.js';

/** Waiters of this backend for the same: one place among the waiters in the store. */
export interface WakeEntry<K> {
  /** The same for those who wait for the same. */
  readonly id: string;
  /** What is waited for. */
  readonly key: K;
  /** What messages about it are called. */
  readonly topics: readonly string[];
  /** What wakes each of them. */
  readonly wakes: Set<() => void>;
  /** The place may stand in the store. */
  isEnrolled: boolean;
  /** A wake-up came, and nobody has tried since. */
  isWoken: boolean;
}

/**
 * Who waits here. The store knows the backend only; this list knows what to wake when a topic is called, and takes care that a
 * wake-up that nobody needs goes to the next backend.
 */
export class WakeList<K> {
  readonly #withdraw: (key: K) => void;
  readonly #entries = new Map<string, WakeEntry<K>>();
  readonly #byTopic = new Map<string, Set<WakeEntry<K>>>();
  /** Nobody waits. */
  isEmpty = true;

  /** @param withdraw gives up a place in the store, and passes the turn on */
  constructor(withdraw: (key: K) => void) {
    this.#withdraw = withdraw;
  }

  /** All that are waited for. */
  get entries(): Iterable<WakeEntry<K>> {
    return this.#entries.values();
  }

  /**
   * Somebody waits from now on.
   *
   * @param id the same for those who wait for the same
   * @param topics what messages call it
   */
  add(
    id: string,
    key: K,
    topics: readonly string[],
    wake: () => void,
  ): {
    /** Nobody waits any more. */
    close(): void;
  } {
    let entry = this.#entries.get(id);
    if (entry === undefined) {
      entry = { id, key, topics, wakes: new Set(), isEnrolled: false, isWoken: false };
      this.#entries.set(id, entry);
      this.isEmpty = false;
      for (const topic of topics) addTo(this.#byTopic, topic, entry);
    }
    const waiting = entry;
    // A function of its own, so that the same one may be added twice.
    const own = (): void => wake();
    waiting.wakes.add(own);
    return { close: () => this.#remove(waiting, own) };
  }

  /** The entry whose waiters make a request, if they wait. */
  find(id: string): WakeEntry<K> | undefined {
    return this.#entries.get(id);
  }

  /** Those who wait for a topic. */
  about(topic: string): Iterable<WakeEntry<K>> {
    return this.#byTopic.get(topic) ?? [];
  }

  /**
   * An attempt of the entry was answered, or its answer was lost.
   *
   * @param isEnrolled whether its place may stand in the store
   */
  answered(entry: WakeEntry<K>, isGranted: boolean, isEnrolled: boolean): void {
    entry.isEnrolled = isEnrolled;
    if (isGranted) entry.isWoken = false;
    else if (entry.wakes.size === 0) {
      // Its waiters left while the attempt was on its way, and it may have enrolled them again. The place is the same for
      // those who have come to wait for the same since then.
      const successor = this.#entries.get(entry.id);
      if (successor === undefined) this.#withdraw(entry.key);
      else successor.isEnrolled = true;
    }
  }

  /** Wakes all who wait for it. */
  wake(entry: WakeEntry<K>): void {
    entry.isWoken = true;
    for (const wake of [...entry.wakes]) wake();
  }

  #remove(entry: WakeEntry<K>, own: () => void): void {
    if (!entry.wakes.delete(own) || entry.wakes.size > 0) return;
    this.#entries.delete(entry.id);
    this.isEmpty = this.#entries.size === 0;
    for (const topic of entry.topics) removeFrom(this.#byTopic, topic, entry);
    if (entry.isEnrolled || entry.isWoken) this.#withdraw(entry.key);
  }
}
