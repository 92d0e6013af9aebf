import { EventHeap, type SimulatedEvent } from './event-heap.js';
import { Random } from './random.js';

/** How many turns of the event loop are asked for at a time: one each would cost a round through the operating system. */
const TURNS_AT_A_TIME = 64;

/** One thread of virtual time: everything that happens in a simulation is an event here, and a seed decides all. */
export class World extends Random {
  /** Milliseconds since the simulation began. */
  now = 0;
  /** Called when everything has settled that an event has led to, before the next event. */
  onSettled: (() => void) | null = null;
  readonly #heap = new EventHeap();
  #order = 0;

  /** Runs something later. @returns what takes it back */
  later(delay: number, run: () => void): () => void {
    const event: SimulatedEvent = { at: this.now + Math.max(0, delay), order: this.#order++, run };
    this.#heap.push(event);
    return () => {
      event.run = null;
    };
  }

  sleep(delay: number): Promise<void> {
    return new Promise((resolve) => {
      this.later(delay, resolve);
    });
  }

  /**
   * Lets time pass until nothing is left to happen, or `until`. Each event has a turn of the event loop for itself, so that
   * every promise and every `process.nextTick` that it leads to comes to an end before the next event.
   */
  run(until: number): Promise<void> {
    return new Promise((resolve, reject) => {
      let isOver = false;
      let isUnsettled = false;
      const turn = (): void => {
        if (isOver) return;
        try {
          if (isUnsettled) this.onSettled?.();
          isUnsettled = this.#happen(until);
          if (isUnsettled) return;
          isOver = true;
          resolve();
        } catch (error) {
          isOver = true;
          reject(error);
        }
      };
      const turns = (): void => {
        if (isOver) return;
        for (let count = 0; count < TURNS_AT_A_TIME; count++) setImmediate(turn);
        setImmediate(turns);
      };
      turns();
    });
  }

  /** Lets the next event happen. @returns false when none is left */
  #happen(until: number): boolean {
    for (;;) {
      const event = this.#heap.first();
      if (event === undefined || event.at > until) return false;
      this.#heap.pop();
      if (event.run === null) continue;
      this.now = event.at;
      event.run();
      return true;
    }
  }
}
