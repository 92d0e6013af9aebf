/** What a session does next; rejects when a statement of it failed. */
export type Job = () => Promise<void>;

/** Runs jobs one after another. What is asked for in one turn of the event loop is there when the first job is chosen. */
export class JobLoop {
  readonly #next: () => Job | null;
  readonly #failed: (error: unknown) => Promise<void>;
  #isRunning = false;
  #isScheduled = false;
  #whenDone: (() => void)[] = [];

  /**
   * @param next the job to run now; null when there is none
   * @param failed called with what a job rejects with, before the next job; never rejects
   */
  constructor(next: () => Job | null, failed: (error: unknown) => Promise<void>) {
    this.#next = next;
    this.#failed = failed;
  }

  get isRunning(): boolean {
    return this.#isRunning;
  }

  /** To be called when there may be a job. */
  kick(): void {
    if (this.#isScheduled || this.#isRunning) return;
    this.#isScheduled = true;
    queueMicrotask(() => {
      this.#isScheduled = false;
      void this.#run();
    });
  }

  /** Resolves when there is nothing to do any more. */
  done(): Promise<void> {
    if (!this.#isRunning && !this.#isScheduled) return Promise.resolve();
    return new Promise((resolve) => {
      this.#whenDone.push(resolve);
    });
  }

  /** Never rejects. */
  async #run(): Promise<void> {
    this.#isRunning = true;
    for (let job = this.#next(); job !== null; job = this.#next()) {
      try {
        await job();
      } catch (error) {
        await this.#failed(error);
      }
    }
    this.#isRunning = false;
    for (const resolve of this.#whenDone.splice(0)) resolve();
  }
}
