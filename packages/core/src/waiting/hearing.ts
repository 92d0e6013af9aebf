import type { LockBackend } from '../contract/backend.js';
import type { HolderState } from '../contract/state.js';
import { type AnyLockError, LockUnavailableError } from '../errors.js';
import type { Wait } from './wait.js';

/**
 * What the waits of one name know of the store together: when it was last heard, and since when it fails. It parts a long wait from an
 * outage.
 */
export class Hearing {
  readonly #backend: LockBackend;
  /** When a request of this name was last answered, or, where the store's queue reports nothing, when a look found a holder. */
  #heard: { readonly at: number; readonly by: 'answer' | 'look' } | null = null;
  #failing: { readonly since: number; readonly by: 'answer' | 'look'; error: AnyLockError } | null = null;
  #wasReached = false;

  constructor(backend: LockBackend) {
    this.#backend = backend;
  }

  /** Whether the store has ever answered, whatever it was asked. */
  get wasReached(): boolean {
    return this.#wasReached;
  }

  get failing(): { readonly since: number; readonly by: 'answer' | 'look'; readonly error: AnyLockError } | null {
    return this.#failing;
  }

  answered(now: number): void {
    this.#wasReached = true;
    this.#heard = { at: now, by: 'answer' };
    this.#failing = null;
  }

  /** When a request was last answered, where none has failed since. */
  get answeredAt(): number {
    return this.#heard?.by === 'answer' && this.#failing === null ? this.#heard.at : Number.NEGATIVE_INFINITY;
  }

  failed(error: AnyLockError, askedAt: number): void {
    this.#fails(error, askedAt, 'answer');
  }

  /** An `inspect` that finds nobody is no answer to a wait. */
  looked(now: number, holders: readonly HolderState[]): void {
    this.#wasReached = true;
    if (this.#failing?.by === 'answer') return;
    this.#failing = null;
    // A queue that reports nothing until the grant, or in which only the first of these waits stands: that somebody holds the name is all
    // there is to hear.
    const { tellsQueued, capabilities } = this.#backend;
    const isAnswer = this.#backend.wait !== undefined && (tellsQueued !== true || !capabilities.fair) && holders.length > 0;
    if (isAnswer) this.#heard = { at: now, by: 'look' };
  }

  lookFailed(error: AnyLockError, since: number): void {
    this.#fails(error, since, 'look');
  }

  /** Whether the store was heard while the wait lasted. */
  wasHeardBy({ joinedAt, limits }: Wait): boolean {
    return limits.wasHeard === true || (this.#heard !== null && this.#heard.at >= joinedAt);
  }

  /** What a wait that ran out without being heard is rejected with. */
  silence({ plan, limits }: Wait): AnyLockError {
    const failure = this.#failing?.error ?? limits.failure;
    if (failure !== undefined) return failure;
    const { name, driver } = this.#backend;
    return new LockUnavailableError(`the ${name} backend did not answer within the ${limits.waitMs} ms of the wait`, {
      backend: name,
      driver,
      lockName: plan.name,
    });
  }

  #fails(error: AnyLockError, since: number, by: 'answer' | 'look'): void {
    if (this.#failing === null || (this.#failing.by === 'look' && by === 'answer')) {
      this.#failing = { since: this.#failing?.since ?? since, by, error };
    } else this.#failing.error = error;
  }
}
