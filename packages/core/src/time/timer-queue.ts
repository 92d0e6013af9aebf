import { outsideOfContexts } from '../async-context.js';
import type { Clock } from '../contract/clock.js';

/** Something that happens at a time. The queue keeps its place in `heapIndex`, so that it is removed without a search. */
export interface TimerEntry {
  /** Monotonic time at which it is due. */
  dueAt: number;
  /** Position in the queue; -1 while it is not in it. Written by the queue only. */
  heapIndex: number;
  /** Called once, when it is due. */
  onDue(): void;
}

/** A timer that is due within this is left to fire when nothing waits for it any more: the next call would set it again. */
const SOON_MS = 5_000;

/**
 * Many deadlines on one timer: a binary heap by due time. Thousands of leases and calls come and go each second, and
 * a timer each would cost more than the lock. When nothing is left to wait for, the timer is cancelled or ends soon.
 */
export class TimerQueue {
  readonly #clock: Clock;
  readonly #heap: TimerEntry[] = [];
  #timer: { cancel(): void } | null = null;
  #armedAt = 0;
  #armedFor = Number.POSITIVE_INFINITY;
  #running = false;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** How many entries wait. */
  get size(): number {
    return this.#heap.length;
  }

  /** Adds the entry, or moves it when it is in the queue already. Infinity takes it out. */
  set(entry: TimerEntry, dueAt: number): void {
    if (dueAt === Number.POSITIVE_INFINITY) {
      this.remove(entry);
      return;
    }
    entry.dueAt = dueAt;
    if (entry.heapIndex < 0) {
      entry.heapIndex = this.#heap.length;
      this.#heap.push(entry);
      if (entry.heapIndex > 0) this.#up(entry);
    } else {
      this.#up(entry);
      this.#down(entry);
    }
    if (dueAt < this.#armedFor) this.#arm();
  }

  /** Takes the entry out, if it is in the queue. */
  remove(entry: TimerEntry): void {
    const index = entry.heapIndex;
    if (index < 0) return;
    entry.heapIndex = -1;
    const last = this.#heap.pop();
    if (last !== undefined && last !== entry) {
      last.heapIndex = index;
      this.#heap[index] = last;
      this.#up(last);
      this.#down(last);
    }
    if (this.#heap.length === 0 && this.#armedAt + SOON_MS < this.#armedFor) this.#disarm();
  }

  /** Forgets everything but what `isKept` says. */
  clear(isKept: (entry: TimerEntry) => boolean = () => false): void {
    const entries = this.#heap.splice(0);
    for (const entry of entries) entry.heapIndex = -1;
    this.#disarm();
    for (const entry of entries) if (isKept(entry)) this.set(entry, entry.dueAt);
  }

  #arm(): void {
    if (this.#running) return;
    const first = this.#heap[0];
    if (first === undefined || first.dueAt >= this.#armedFor) return;
    this.#disarm();
    this.#armedAt = this.#clock.now();
    this.#armedFor = first.dueAt;
    this.#timer = outsideOfContexts(() =>
      this.#clock.setTimer(Math.max(0, Math.ceil(first.dueAt - this.#armedAt)), () => {
        this.#run();
      }),
    );
  }

  #disarm(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#armedFor = Number.POSITIVE_INFINITY;
  }

  #run(): void {
    this.#disarm();
    this.#running = true;
    const now = this.#clock.now();
    try {
      for (let first = this.#heap[0]; first !== undefined && first.dueAt <= now; first = this.#heap[0]) {
        this.remove(first);
        first.onDue();
      }
    } finally {
      this.#running = false;
      this.#arm();
    }
  }

  #up(entry: TimerEntry): void {
    const heap = this.#heap;
    let index = entry.heapIndex;
    while (index > 0) {
      const above = (index - 1) >> 1;
      const parent = heap[above];
      if (parent === undefined || parent.dueAt <= entry.dueAt) break;
      heap[index] = parent;
      parent.heapIndex = index;
      index = above;
    }
    heap[index] = entry;
    entry.heapIndex = index;
  }

  #down(entry: TimerEntry): void {
    const heap = this.#heap;
    let index = entry.heapIndex;
    for (;;) {
      let below = 2 * index + 1;
      let child = heap[below];
      if (child === undefined) break;
      const right = heap[below + 1];
      if (right !== undefined && right.dueAt < child.dueAt) {
        child = right;
        below += 1;
      }
      if (child.dueAt >= entry.dueAt) break;
      heap[index] = child;
      child.heapIndex = index;
      index = below;
    }
    heap[index] = entry;
    entry.heapIndex = index;
  }
}
