import type { Clock, HoldRequest } from '@holdfast/core';
import type { RedlockNode, WaitKey, WakeTarget } from './node.js';

/** After the first node's message the others' are waited for this long: a quorum of nodes must be free. */
const GATHER_MS = 5;

/** Waiters of this client for one name, mode and number of permits. */
export interface WakeEntry {
  readonly key: WaitKey;
  readonly wakes: Set<() => void>;
  /** The nodes may know of it. */
  isEnrolled: boolean;
  /** A wake-up came, and nobody has tried since. */
  isWoken: boolean;
}

interface Gathering {
  readonly nodes: Set<number>;
  timer: { cancel(): void } | null;
}

/**
 * Who waits here. The nodes know the client only; this list knows what to wake, and when: as soon as a quorum of nodes has said so, or a
 * moment after the first. A wake-up that nobody needs goes on to the next client.
 */
export class WakeList {
  readonly #nodes: readonly RedlockNode[];
  readonly #quorum: number;
  readonly #clock: Clock;
  readonly #withdraw: (key: WaitKey) => void;
  readonly #entries = new Map<string, WakeEntry>();
  /** For each node its wake key to the entries that it concerns. */
  readonly #byWakeKey: readonly Map<string, Set<WakeEntry>>[];
  readonly #gatherings = new Map<WakeEntry, Gathering>();

  constructor(nodes: readonly RedlockNode[], quorum: number, clock: Clock, withdraw: (key: WaitKey) => void) {
    this.#nodes = nodes;
    this.#quorum = quorum;
    this.#clock = clock;
    this.#withdraw = withdraw;
    this.#byWakeKey = nodes.map(() => new Map());
  }

  get isEmpty(): boolean {
    return this.#entries.size === 0;
  }

  add(request: HoldRequest, wake: () => void): { close(): void } {
    const key = waitKeyOf(request);
    const id = idOf(key);
    let entry = this.#entries.get(id);
    if (entry === undefined) {
      entry = { key, wakes: new Set(), isEnrolled: false, isWoken: false };
      this.#entries.set(id, entry);
      for (const [index, node] of this.#nodes.entries()) {
        const known = this.#byWakeKey[index];
        const wakeKey = node.wakeKey(key.name, key.mode);
        known?.set(wakeKey, (known.get(wakeKey) ?? new Set()).add(entry));
      }
    }
    const waiting = entry;
    // A function of its own, so that the same one may be added twice.
    const own = (): void => wake();
    waiting.wakes.add(own);
    return { close: () => this.#remove(id, waiting, own) };
  }

  /** The entry whose waiters make this request, if they wait. */
  find(request: HoldRequest): WakeEntry | undefined {
    return this.isEmpty ? undefined : this.#entries.get(idOf(waitKeyOf(request)));
  }

  /** An attempt of the entry was answered, or its answer was lost. @param everywhere granted by all nodes, so that none knows it as waiting */
  answered(entry: WakeEntry, granted: boolean, everywhere: boolean): void {
    entry.isEnrolled = !everywhere;
    if (granted) entry.isWoken = false;
    // Its waiters left while the attempt was on its way, and it may have enrolled them again.
    if (!granted && entry.wakes.size === 0 && this.#entries.get(idOf(entry.key)) === undefined) this.#withdraw(entry.key);
  }

  /** What a node sends here. */
  targetOf(node: number): WakeTarget {
    return {
      onWake: (wakeKey) => {
        if (wakeKey === null) {
          for (const entry of this.#entries.values()) this.#gather(entry, node);
          return;
        }
        const entries = this.#byWakeKey[node]?.get(wakeKey);
        if (entries === undefined) return;
        for (const entry of entries) this.#gather(entry, node);
      },
    };
  }

  close(): void {
    for (const { timer } of this.#gatherings.values()) timer?.cancel();
    this.#gatherings.clear();
  }

  #gather(entry: WakeEntry, node: number): void {
    let gathering = this.#gatherings.get(entry);
    if (gathering === undefined) {
      gathering = { nodes: new Set(), timer: null };
      this.#gatherings.set(entry, gathering);
      gathering.timer = this.#clock.setTimer(GATHER_MS, () => this.#wake(entry));
    }
    gathering.nodes.add(node);
    if (gathering.nodes.size >= this.#quorum) this.#wake(entry);
  }

  #wake(entry: WakeEntry): void {
    const gathering = this.#gatherings.get(entry);
    gathering?.timer?.cancel();
    this.#gatherings.delete(entry);
    entry.isWoken = true;
    for (const wake of [...entry.wakes]) wake();
  }

  #remove(id: string, entry: WakeEntry, own: () => void): void {
    if (!entry.wakes.delete(own) || entry.wakes.size > 0) return;
    this.#entries.delete(id);
    for (const [index, node] of this.#nodes.entries()) {
      const known = this.#byWakeKey[index];
      const wakeKey = node.wakeKey(entry.key.name, entry.key.mode);
      const entries = known?.get(wakeKey);
      entries?.delete(entry);
      if (entries?.size === 0) known?.delete(wakeKey);
    }
    const isOnItsWay = this.#gatherings.has(entry);
    this.#gatherings.get(entry)?.timer?.cancel();
    this.#gatherings.delete(entry);
    if (entry.isEnrolled || entry.isWoken || isOnItsWay) this.#withdraw(entry.key);
  }
}

function waitKeyOf(request: HoldRequest): WaitKey {
  const [permits, limit] = request.mode === 'permits' ? [request.permits, request.limit] : [1, 1];
  return { name: request.name, mode: request.mode, permits, limit };
}

function idOf({ name, mode, permits, limit }: WaitKey): string {
  return `${mode} ${permits} ${limit} ${name}`;
}
