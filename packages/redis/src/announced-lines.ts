import type { HoldRequest, WaitLine } from '@holdfast/core';
import { letterOf, type ModeLetter, type NameKeys } from './key-space.js';

/** A later beginning of the oldest wait is news from so much on. */
const SINCE_MS = 100;

/** The waiters of this manager for one name, as signs of life are to tell of them. */
export interface AnnouncedLine {
  readonly name: string;
  readonly mode: ModeLetter;
  readonly keys: NameKeys;
  readonly line: () => WaitLine;
}

/** What a sign of life says of a line; the time by the monotonic clock. */
interface Said {
  readonly waiters: number;
  readonly since: number;
}

/** The lines of a plain manager, by the key of the hold on the server. */
export class AnnouncedLines {
  readonly #onServer: (key: string) => string;
  readonly #byHold = new Map<string, AnnouncedLine>();
  /** What the last sign of life said of each. */
  #said = new Map<AnnouncedLine, Said>();

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

  /** A sign of life says of each line what is true now. */
  said(now: number): void {
    this.#said = new Map(Array.from(this.#byHold.values(), (line) => [line, saidOf(line, now)]));
  }

  /** Whether a sign of life would say something else than the last one. */
  haveNews(now: number): boolean {
    for (const line of this.#byHold.values()) {
      const last = this.#said.get(line);
      const { waiters, since } = saidOf(line, now);
      if (last === undefined || last.waiters !== waiters || since > last.since + SINCE_MS) return true;
    }
    return false;
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

function saidOf({ line }: AnnouncedLine, now: number): Said {
  const { waiters, oldestWaitMs } = line();
  return { waiters, since: now - oldestWaitMs };
}
