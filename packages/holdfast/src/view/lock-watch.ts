import type { Clock, LockManager, LockState } from '@holdfast/core';
import { HolderChanges } from './holder-changes.js';
import { keyOf, type LockRow, rowOf } from './lock-row.js';
import { kindsOf, ofKind } from './of-kind.js';

/** Of more than this nobody finds anything, and every look asks the store for all of them. */
export const MOST_ROWS = 20_000;
/** Looks take no more than a quarter of the time, however many locks there are. */
export const REST_FACTOR = 3;

/** What is looked at. */
export interface WatchOptions {
  /** Only names that begin with it. */
  readonly prefix: string;
  /** Names to look at one by one, held or not: needed where the store cannot list. */
  readonly names: readonly string[];
  /** Time between two looks, in milliseconds, at least. */
  readonly everyMs: number;
  readonly clock: Clock;
}

/** What one look has seen. */
export interface Look {
  /** By the wall clock, in milliseconds. */
  readonly at: number;
  readonly rows: readonly LockRow[];
  /** More is held than was looked at. */
  readonly isCut: boolean;
  /** Changes of holder that were seen, a second; null after the first look. */
  readonly changesPerSecond: number | null;
  /** When the next look is due. */
  readonly nextInMs: number;
}

/** Looks at what is held, again and again. */
export class LockWatch {
  readonly #manager: LockManager;
  readonly #options: WatchOptions;
  readonly #changes = new HolderChanges();

  constructor(manager: LockManager, options: WatchOptions) {
    this.#manager = manager;
    this.#options = options;
  }

  /** @throws what `list` and `inspect` of the manager throw */
  async look(): Promise<Look> {
    const { clock, everyMs } = this.#options;
    const began = clock.now();
    const found = new Map<string, LockRow>();
    let isCut = false;
    for await (const state of this.#states()) {
      const row = rowOf(state);
      const key = keyOf(row);
      isCut = found.size >= MOST_ROWS && !found.has(key);
      if (isCut) break;
      found.set(key, row);
    }
    const rows = [...found.values()];
    const now = clock.now();
    return {
      at: clock.wall(),
      rows,
      isCut,
      changesPerSecond: this.#changes.note(rows, now, isCut),
      nextInMs: Math.max(everyMs, (now - began) * REST_FACTOR),
    };
  }

  async *#states(): AsyncIterable<LockState> {
    const { prefix, names } = this.#options;
    for (const name of names) yield* await this.#named(name);
    if (this.#manager.capabilities.list) yield* this.#manager.list({ prefix });
  }

  /** What is held under a name, of whatever kind; a lock that is free when nothing is. */
  async #named(name: string): Promise<readonly LockState[]> {
    const states = await Promise.all(kindsOf(this.#manager).map(async (kind) => await ofKind(this.#manager, name, kind).inspect()));
    const held = states.filter(({ held: isHeld, waiters }) => isHeld || (waiters ?? 0) > 0);
    return held.length > 0 ? held : states.slice(0, 1);
  }
}

/** What a watch cannot see on this store, in a sentence; null where it sees all that is held. */
export function blindSpotOf(
  { capabilities, backend }: Pick<LockManager, 'capabilities' | 'backend'>,
  names: readonly string[],
): string | null {
  if (capabilities.list) return null;
  return names.length === 0
    ? `${backend} cannot list what is held: only names that are given can be looked at`
    : `${backend} cannot list what is held: only the names that were given are shown`;
}
