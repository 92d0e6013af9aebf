import type { HoldRequest, WaitLine } from '@holdfast/core';
import { letterOf, type ModeLetter, type NameKeys } from './key-space.js';

/** The waiters of this manager for one name, as signs of life are to tell of them. */
export interface AnnouncedLine {
  readonly name: string;
  readonly mode: ModeLetter;
  readonly keys: NameKeys;
  readonly line: () => WaitLine;
}

/** The lines of a plain manager, by the key of the hold on the server. */
export class AnnouncedLines {
  readonly #onServer: (key: string) => string;
  readonly #byHold = new Map<string, AnnouncedLine>();

  /** @param onServer a key as the server knows it */
  constructor(onServer: (key: string) => string) {
    this.#onServer = onServer;
  }

  get isEmpty(): boolean {
    return this.#byHold.size === 0;
  }

  get all(): Iterable<AnnouncedLine> {
    return this.#byHold.values();
  }

  has(holdKey: string): boolean {
    return this.#byHold.has(this.#onServer(holdKey));
  }

  /** What the next sign of life says of a name; null where nobody stands in line. */
  of(holdKey: string): WaitLine | null {
    return this.#byHold.get(this.#onServer(holdKey))?.line() ?? null;
  }

  /** @returns what ends it */
  open({ name, mode }: HoldRequest, keys: NameKeys, line: () => WaitLine): () => void {
    const key = this.#onServer(keys.keys[0]);
    const opened: AnnouncedLine = { name, mode: letterOf[mode], keys, line };
    this.#byHold.set(key, opened);
    return () => {
      if (this.#byHold.get(key) === opened) this.#byHold.delete(key);
    };
  }
}
