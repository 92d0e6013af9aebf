import type { Clock, MarkSetter, StoredMark } from '../index.js';
import { EndQueue } from './end-queue.js';

/** Two for each that is set: what has ended goes sooner than new ones come. */
const SWEPT_PER_SET = 2;
const SPARE = 64;
const NOBODY: MarkSetter = { owner: '', label: '' };

interface Mark extends MarkSetter {
  readonly name: string;
  readonly setAt: number;
  readonly endsAt: number;
}

/** Completion marks, each kept for its time by the store's clock. */
export class MarkTable {
  readonly #clock: Clock;
  readonly #marks = new Map<string, Mark>();
  /** What nobody asks for again is dropped as others are set, without a timer, and without a look at those that stand. */
  readonly #ends = new EndQueue<Mark>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How many marks stand. */
  get size(): number {
    this.#sweep(Number.POSITIVE_INFINITY);
    return this.#marks.size;
  }

  /** How many marks take up memory, expired ones included. */
  get retained(): number {
    return this.#marks.size;
  }

  /** false when the mark stands already, from somebody else; it is kept as long as its first setter asked, and no longer. */
  set(name: string, retentionMs: number, { owner, label }: MarkSetter = NOBODY): boolean {
    const setAt = this.#clock.now();
    this.#sweep(SWEPT_PER_SET);
    const standing = this.#find(name);
    if (standing !== undefined) return standing.owner === owner && owner !== NOBODY.owner;
    const mark = { name, owner, label, setAt, endsAt: setAt + retentionMs };
    this.#marks.set(name, mark);
    this.#ends.add(mark);
    return true;
  }

  has(name: string): boolean {
    return this.#find(name) !== undefined;
  }

  get(name: string): StoredMark | null {
    const mark = this.#find(name);
    return mark === undefined ? null : this.#told(mark);
  }

  delete(name: string): boolean {
    if (this.#find(name) === undefined) return false;
    this.#marks.delete(name);
    // What was taken away stands in the queue until it would have ended, which may be never.
    if (this.#ends.size > 2 * this.#marks.size + SPARE) this.#ends.keep(this.#marks.values());
    return true;
  }

  /** What stands, in pages of so many, as it stands when each page is asked for. The last page is shorter, and may be empty. */
  *list(prefix: string, size: number): Generator<readonly StoredMark[], void> {
    this.#sweep(Number.POSITIVE_INFINITY);
    let page: StoredMark[] = [];
    for (const { name } of [...this.#marks.values()]) {
      const mark = name.startsWith(prefix) ? this.#find(name) : undefined;
      if (mark === undefined) continue;
      page.push(this.#told(mark));
      if (page.length < size) continue;
      yield page;
      page = [];
    }
    yield page;
  }

  deleteAll(): number {
    const { size } = this.#marks;
    this.#marks.clear();
    this.#ends.keep([]);
    return size;
  }

  #told({ name, label, setAt, endsAt }: Mark): StoredMark {
    const now = this.#clock.now();
    return { name, label, ageMs: now - setAt, remainingMs: endsAt - now };
  }

  #find(name: string): Mark | undefined {
    const mark = this.#marks.get(name);
    if (mark === undefined || mark.endsAt > this.#clock.now()) return mark;
    this.#marks.delete(name);
    return undefined;
  }

  #sweep(most: number): void {
    const now = this.#clock.now();
    for (let swept = 0; swept < most; swept += 1) {
      const ended = this.#ends.takeUntil(now);
      if (ended === undefined) return;
      if (this.#marks.get(ended.name) === ended) this.#marks.delete(ended.name);
    }
  }
}
