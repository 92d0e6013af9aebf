import { isLockError, type Lease, type LockManager, type LockState, withToJSON } from '@holdfast/core';
import { outsideOfContexts } from './outside-of-contexts.js';

/** Who leads, as far as this process knows. */
export interface Leader {
  /** Who it is, for people; null where the store does not say. */
  readonly label: string | null;
  /** The fencing token of the leader's lease: it rises with every leader. */
  readonly term: bigint;
  /** Since when, in wall-clock milliseconds: when it was elected here, or, of a leader elsewhere, when this process first saw its term. */
  readonly since: number;
}

/** One that follows a view. */
export interface Follower {
  readonly everyMs: number;
  seen(leader: Leader | null): void;
  /** Nothing follows: the manager is closed, or the store refuses permanently (`error`). */
  end(error: unknown): void;
}

/**
 * What one process knows of the leaders of one lock: one poll for all who follow, and what happens here at once. Terms never fall, whatever
 * order the store's answers come in.
 */
export class LeaderView {
  readonly #locks: LockManager;
  readonly #lockName: string;
  readonly #followers = new Set<Follower>();
  /** undefined: nothing is known yet. */
  #latest: Leader | null | undefined;
  /** That of the latest term. */
  #highest: Leader | null = null;
  /** The lease that leads from here. */
  #own: Lease<bigint> | null = null;
  // Counts what became known: an answer to a question that is older than that is out of date.
  #version = 0;
  #timer: { cancel(): void } | null = null;
  #isLooking = false;

  private constructor(locks: LockManager, lockName: string) {
    this.#locks = locks;
    this.#lockName = lockName;
  }

  /** The one of this process for a manager and a name. */
  static of(locks: LockManager, lockName: string): LeaderView {
    let views = all.get(locks);
    if (views === undefined) all.set(locks, (views = new Map<string, LeaderView>()));
    let view = views.get(lockName);
    if (view === undefined) views.set(lockName, (view = new LeaderView(locks, lockName)));
    return view;
  }

  /** Asks the store. */
  async look(): Promise<Leader | null> {
    const version = this.#version;
    const state = await this.#locks.inspect(this.#lockName);
    if (version === this.#version) this.#heard(state);
    return this.#latest ?? null;
  }

  /** A candidate of this process leads. */
  won(lease: Lease<bigint>, label: string): Leader {
    const leader = this.#leader(label, lease.fencingToken);
    this.#own = lease;
    if (this.#highest === null || leader.term > this.#highest.term) this.#highest = leader;
    this.#know(leader);
    return leader;
  }

  /** It does so no longer. */
  ended(lease: Lease<bigint>): void {
    if (this.#own === lease) this.#own = null;
    if (this.#latest?.term === lease.fencingToken) this.#know(null);
  }

  follow(follower: Follower): () => void {
    // What is known is of use only while somebody keeps it up to date, or leads here.
    if (this.#followers.size === 0 && this.#own?.isHeld !== true) this.#latest = undefined;
    this.#followers.add(follower);
    if (this.#latest !== undefined) follower.seen(this.#latest);
    this.#plan(0);
    return () => {
      this.#followers.delete(follower);
      if (this.#followers.size === 0) {
        this.#timer?.cancel();
        this.#timer = null;
      }
    };
  }

  #heard({ holders }: LockState): void {
    const holder = holders.find(({ fencingToken }) => fencingToken !== null);
    const term = holder?.fencingToken ?? null;
    if (holder === undefined || term === null) {
      // A lease that stands by our own clock leads, whatever one look says.
      if (this.#own?.isHeld !== true) this.#know(null);
      return;
    }
    if (this.#highest !== null && term < this.#highest.term) return;
    if (this.#highest?.term !== term) this.#highest = this.#leader(holder.label, term);
    this.#know(this.#highest);
  }

  #know(leader: Leader | null): void {
    if (this.#latest !== undefined && this.#latest?.term === leader?.term) return;
    this.#latest = leader;
    this.#version += 1;
    for (const follower of [...this.#followers]) follower.seen(leader);
  }

  #plan(delayMs: number): void {
    if (this.#isLooking || this.#followers.size === 0) return;
    this.#timer?.cancel();
    this.#timer = outsideOfContexts(() => this.#locks.clock.setTimer(delayMs, () => void this.#poll()));
  }

  async #poll(): Promise<void> {
    this.#timer = null;
    this.#isLooking = true;
    try {
      await this.look();
    } catch (error) {
      // A look that failed says nothing of the leader; the next one may.
      const isClosed = isLockError(error, 'LOCK_CLOSED');
      if (isClosed || (isLockError(error, 'LOCK_BACKEND_UNAVAILABLE') && !error.retryable)) {
        for (const follower of [...this.#followers]) follower.end(isClosed ? null : error);
      }
    } finally {
      this.#isLooking = false;
      this.#plan(Math.min(...Array.from(this.#followers, ({ everyMs }) => everyMs)));
    }
  }

  #leader(label: string | null, term: bigint): Leader {
    return withToJSON({ label, term, since: this.#locks.clock.wall() });
  }
}

const all = new WeakMap<LockManager, Map<string, LeaderView>>();
