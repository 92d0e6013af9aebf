import type { Clock, HoldRequest } from '@holdfast/core';
import type { WakeEntry, WakeList } from '@holdfast/core/backend';
import type { WaitKey } from './node.js';

/** After the first node's message the others' are waited for this long: a quorum of nodes must be free. */
const GATHER_MS = 5;

interface Gathering {
  readonly nodes: Set<number>;
  readonly timer: { cancel(): void };
}

/** Says when to wake: as soon as a quorum of nodes has called, or a moment after the first. */
export class Gatherer {
  readonly #list: WakeList<WaitKey>;
  readonly #quorum: number;
  readonly #clock: Clock;
  readonly #gatherings = new Map<WakeEntry<WaitKey>, Gathering>();

  constructor(list: WakeList<WaitKey>, quorum: number, clock: Clock) {
    this.#list = list;
    this.#quorum = quorum;
    this.#clock = clock;
  }

  heard(entry: WakeEntry<WaitKey>, node: number): void {
    // Should those who wait leave now, the turn is passed on.
    entry.isWoken = true;
    let gathering = this.#gatherings.get(entry);
    if (gathering === undefined) {
      gathering = { nodes: new Set(), timer: this.#clock.setTimer(GATHER_MS, () => this.#wake(entry)) };
      this.#gatherings.set(entry, gathering);
    }
    gathering.nodes.add(node);
    if (gathering.nodes.size >= this.#quorum) this.#wake(entry);
  }

  close(): void {
    for (const { timer } of this.#gatherings.values()) timer.cancel();
    this.#gatherings.clear();
  }

  #wake(entry: WakeEntry<WaitKey>): void {
    this.#gatherings.get(entry)?.timer.cancel();
    this.#gatherings.delete(entry);
    this.#list.wake(entry);
  }
}

export function waitKeyOf(request: HoldRequest): WaitKey {
  const [permits, limit] = request.mode === 'permits' ? [request.permits, request.limit] : [1, 1];
  return { name: request.name, mode: request.mode, permits, limit };
}

/** The same for those who wait for the same. */
export function idOf({ name, mode, permits, limit }: WaitKey): string {
  return `${mode} ${permits} ${limit} ${name}`;
}
