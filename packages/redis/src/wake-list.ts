import type { HoldRequest } from '@holdfast/core';
import { type KeySpace, letterOf, type ModeLetter, type NameKeys } from './key-space.js';

/** Waiters of this backend for one name, mode and number of permits: one place among the waiters on the server. */
export interface WakeEntry {
  readonly name: string;
  readonly mode: ModeLetter;
  readonly keys: NameKeys;
  /** The place on the server. */
  readonly member: string;
  readonly wakes: Set<() => void>;
  /** The place may stand on the server. */
  isEnrolled: boolean;
  /** A wake-up came, and nobody has tried since. */
  isWoken: boolean;
}

/** Gives up a place on the server, and passes the turn on. */
export type Withdraw = (name: string, mode: ModeLetter, keys: NameKeys, member: string) => void;

/**
 * Who waits here without a queue. The server knows the manager only; this list knows what to wake when its name is
 * called, and takes care that a wake-up that nobody needs goes to the next manager.
 */
export class WakeList {
  readonly #keySpace: KeySpace;
  readonly #id: string;
  readonly #withdraw: Withdraw;
  readonly #entries = new Map<string, WakeEntry>();
  readonly #byHold = new Map<string, Set<WakeEntry>>();

  constructor(keySpace: KeySpace, id: string, withdraw: Withdraw) {
    this.#keySpace = keySpace;
    this.#id = id;
    this.#withdraw = withdraw;
  }

  get isEmpty(): boolean {
    return this.#entries.size === 0;
  }

  add(request: HoldRequest, wake: () => void): { close(): void } {
    const mode = letterOf[request.mode];
    const keys = this.#keySpace.keysOf(request.name, mode);
    const member = this.#memberOf(request);
    const key = entryKey(keys, member);
    let entry = this.#entries.get(key);
    if (entry === undefined) {
      entry = { name: request.name, mode, keys, member, wakes: new Set(), isEnrolled: false, isWoken: false };
      this.#entries.set(key, entry);
      const hold = this.#keySpace.onServer(keys.keys[0]);
      const others = this.#byHold.get(hold);
      if (others === undefined) this.#byHold.set(hold, new Set([entry]));
      else others.add(entry);
    }
    // A function of its own, so that the same one may be added twice.
    const own = (): void => wake();
    entry.wakes.add(own);
    return { close: () => this.#remove(key, entry, own) };
  }

  /** The entry whose waiters make this request, if they wait. */
  find(request: HoldRequest, keys: NameKeys): WakeEntry | undefined {
    return this.#entries.size === 0 ? undefined : this.#entries.get(entryKey(keys, this.#memberOf(request)));
  }

  /** An attempt of the entry was answered, or its answer was lost. */
  answered(entry: WakeEntry, granted: boolean): void {
    if (granted) {
      entry.isEnrolled = false;
      entry.isWoken = false;
    } else if (entry.wakes.size === 0) {
      // Its waiters left while the attempt was on its way, and it may have enrolled them again. The place is the same for
      // those who have come to wait for the same since then.
      const successor = this.#entries.get(entryKey(entry.keys, entry.member));
      if (successor === undefined) this.#withdraw(entry.name, entry.mode, entry.keys, entry.member);
      else successor.isEnrolled = true;
    } else {
      entry.isEnrolled = true;
    }
  }

  /** @returns false when nobody here waits for this key */
  wake(holdKey: string): boolean {
    const entries = this.#byHold.get(holdKey);
    if (entries === undefined) return false;
    for (const entry of entries) {
      entry.isWoken = true;
      for (const wake of [...entry.wakes]) wake();
    }
    return true;
  }

  /** What was published is not known: everybody looks. */
  wakeAll(): void {
    for (const hold of [...this.#byHold.keys()]) this.wake(hold);
  }

  #remove(key: string, entry: WakeEntry, own: () => void): void {
    if (!entry.wakes.delete(own) || entry.wakes.size > 0) return;
    this.#entries.delete(key);
    const hold = this.#keySpace.onServer(entry.keys.keys[0]);
    const others = this.#byHold.get(hold);
    others?.delete(entry);
    if (others?.size === 0) this.#byHold.delete(hold);
    if (entry.isEnrolled || entry.isWoken) this.#withdraw(entry.name, entry.mode, entry.keys, entry.member);
  }

  #memberOf(request: HoldRequest): string {
    const [permits, limit] = request.mode === 'permits' ? [request.permits, request.limit] : [1, 1];
    return `p${this.#id}:${letterOf[request.mode]}:${permits}:${limit}`;
  }
}

function entryKey(keys: NameKeys, member: string): string {
  return `${member} ${keys.keys[0]}`;
}
