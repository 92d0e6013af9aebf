/** Sleeps and spins take turns in the last stretch: a timer of Node's is a millisecond coarse. */
const coarseMs = 1.5;
const napMs = 0.1;
const spinMs = 0.15;

interface Due {
  readonly at: number;
  deliver(): void;
}

/** Runs each action the same time after it was handed over, in order, a tenth of a millisecond late at the most. */
export class DelayLine {
  readonly #delayMs: number;
  readonly #queue: Due[] = [];
  readonly #nap = new Int32Array(new SharedArrayBuffer(4));
  #isRunning = false;

  constructor(delayMs: number) {
    this.#delayMs = delayMs;
  }

  add(deliver: () => void): void {
    this.#queue.push({ at: performance.now() + this.#delayMs, deliver });
    if (this.#isRunning) return;
    this.#isRunning = true;
    this.#goOn();
  }

  readonly #goOn = (): void => {
    for (let first = this.#queue[0]; first !== undefined; first = this.#queue[0]) {
      const earlyMs = first.at - performance.now();
      if (earlyMs > 0) return this.#waitFor(earlyMs);
      this.#queue.shift();
      first.deliver();
    }
    this.#isRunning = false;
  };

  /** setImmediate looks at the sockets in between, so what arrives meanwhile gets its own time. */
  #waitFor(ms: number): void {
    if (ms > coarseMs) {
      setTimeout(this.#goOn, ms - 1);
      return;
    }
    if (ms > spinMs) Atomics.wait(this.#nap, 0, 0, napMs);
    setImmediate(this.#goOn);
  }
}
