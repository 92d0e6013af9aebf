import { randomUUID } from 'node:crypto';
import { type Clock, type LockManager, LockUnavailableError } from '@holdfast/core';
import type { MigrationSide } from './phase.js';

/** Long enough for two requests; a process that dies in between leaves a lock of a name that nobody else knows. */
const TTL_MS = 10_000;
/** A wait that is not over by then is looked at. */
const LOOK_AFTER_MS = 100;

/**
 * Whether both sides lead to the same locks, as two managers of one server and one prefix do. Then the second side refuses for ever what the first
 * has granted, which looks like a lock that is busy. Looked at once, when the second side refuses for the first time.
 */
export class OneStore {
  readonly #sides: Readonly<Record<MigrationSide, LockManager>>;
  readonly #backend: string;
  #look: Promise<boolean> | null = null;

  constructor(sides: Readonly<Record<MigrationSide, LockManager>>, backend: string) {
    this.#sides = sides;
    this.#backend = backend;
  }

  /** @throws LockUnavailableError where both sides are one */
  async refuse(): Promise<void> {
    if (await this.#areOne()) throw this.#error();
  }

  /** A request that has the first side waits for the second; looked at if that takes long. The answer ends the watch. */
  waiting(clock: Clock, fail: (error: LockUnavailableError) => void): () => void {
    const timer = clock.setTimer(LOOK_AFTER_MS, () => {
      void this.#areOne().then((areOne) => {
        if (areOne) fail(this.#error());
      });
    });
    return () => timer.cancel();
  }

  /** Never rejects: a side that is out of reach is reported by the call that needs it, and looked at again. */
  #areOne(): Promise<boolean> {
    this.#look ??= this.#ask().catch(() => {
      this.#look = null;
      return false;
    });
    return this.#look;
  }

  async #ask(): Promise<boolean> {
    const { from, to } = this.#sides;
    const name = `migration-check-${randomUUID()}`;
    const take = (side: LockManager) => side.tryAcquire(name, { ttlMs: TTL_MS, renew: false });
    const first = await take(from);
    if (first === null) return false;
    const second = await take(to);
    await Promise.all([first[Symbol.asyncDispose](), second?.[Symbol.asyncDispose]()]);
    if (second !== null) return false;
    // Refused for the first side's sake: granted as soon as that side is free.
    const again = await take(to);
    await again?.[Symbol.asyncDispose]();
    return again !== null;
  }

  #error(): LockUnavailableError {
    return new LockUnavailableError(
      'migration: from and to lead to the same locks, so that one refuses what the other has granted; give one of them another store, prefix or namespace',
      { backend: this.#backend, retryable: false },
    );
  }
}
