import { type HolderState, isLockError, type Lease, type LockKind, type LostReason } from '@holdfast/core';

/** What is to be done when a lease in its caller's own hands ends. */
export interface LeaseEnd {
  released(): void;
  lost(reason: LostReason): void;
}

/** The lease that `campaign` gives: it is the caller's, and its end is the end of a term. */
export class LedLease implements Lease<bigint> {
  readonly #lease: Lease<bigint>;
  readonly #end: LeaseEnd;
  #isOver = false;
  readonly #onLost = (): void => this.#over(() => this.#end.lost(lossOf(this.#lease.signal.reason)));

  constructor(lease: Lease<bigint>, end: LeaseEnd) {
    this.#lease = lease;
    this.#end = end;
    lease.signal.addEventListener('abort', this.#onLost, { once: true });
    if (lease.signal.aborted) this.#onLost();
  }

  get name(): string {
    return this.#lease.name;
  }

  get kind(): LockKind {
    return this.#lease.kind;
  }

  get mode(): HolderState['mode'] {
    return this.#lease.mode;
  }

  get fencingToken(): bigint {
    return this.#lease.fencingToken;
  }

  get signal(): AbortSignal {
    return this.#lease.signal;
  }

  get isHeld(): boolean {
    return this.#lease.isHeld;
  }

  get remainingMs(): number {
    return this.#lease.remainingMs;
  }

  assertHeld(): void {
    this.#lease.assertHeld();
  }

  async extend(ttlMs?: number): Promise<void> {
    await this.#lease.extend(ttlMs);
  }

  async release(): Promise<boolean> {
    try {
      const wasOurs = await this.#lease.release();
      this.#over(() => (wasOurs ? this.#end.released() : this.#end.lost('taken')));
      return wasOurs;
    } catch (error) {
      // It goes on in the background, and the lease is ours no longer.
      this.#over(() => this.#end.released());
      throw error;
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.release().catch(() => {});
  }

  #over(tell: () => void): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#lease.signal.removeEventListener('abort', this.#onLost);
    tell();
  }
}

/** Why a lease was lost, by what its signal or a task's end says. */
export function lossOf(error: unknown): LostReason {
  return isLockError(error, 'LOCK_LOST') ? error.reason : 'taken';
}
