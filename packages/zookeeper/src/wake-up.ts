/** What those sleep for who wait for news: news that came since they last began to look are not slept through. */
export class WakeUp {
  #isDue = false;
  #sleep: { readonly over: Promise<void>; end(): void } | null = null;

  /** Somebody begins to look: what came before needs no wake-up. */
  reset(): void {
    this.#isDue = false;
  }

  wake(): void {
    this.#isDue = true;
    this.#sleep?.end();
    this.#sleep = null;
  }

  /** Until the next wake-up; at once if there was one since the last reset. */
  sleep(): Promise<void> {
    if (this.#isDue) return Promise.resolve();
    if (this.#sleep === null) {
      let end!: () => void;
      const over = new Promise<void>((resolve) => {
        end = resolve;
      });
      this.#sleep = { over, end };
    }
    return this.#sleep.over;
  }
}
