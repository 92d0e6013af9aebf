import {
  type Answer,
  type CallContext,
  type Capabilities,
  type Clock,
  type HoldRef,
  type HoldRequest,
  type LockBackend,
  type LockKind,
  type LockState,
  LockUnavailableError,
  systemClock,
} from '@holdfast/core';
import type { LegacyHold, LegacyLock } from './legacy-lock.js';

interface Moment {
  readonly now: number;
  readonly wall: number;
}

interface Held<H> extends LegacyHold<H> {
  readonly name: string;
  readonly label: string;
  /** When the store will have ended it by itself, on the monotonic and the wall clock. */
  until: Moment;
}

/** A backend over an existing lock. It adds what such locks lack: exclusion within the process, and owners. */
export class LegacyBackend<H> implements LockBackend<null> {
  readonly contract = 1;
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly remainingMs?: (owner: string) => number;
  readonly #lock: LegacyLock<H>;
  readonly #held = new Map<string, Held<H>>();
  /** Names that this process holds or asks for: the lock may be re-entrant for it, and let a second task in. */
  readonly #taken = new Map<string, string>();
  /** Owners whose `tryLock` failed: whether it left a lock is not known. */
  readonly #doubtful = new Set<string>();
  #clock: Clock = systemClock;

  constructor(lock: LegacyLock<H>) {
    this.#lock = lock;
    this.name = lock.name ?? 'legacy';
    this.capabilities = {
      fencing: false,
      semaphores: false,
      readWriteLocks: false,
      fair: false,
      push: false,
      marks: false,
      list: false,
      expiry: lock.expiry ?? (lock.extend === undefined && lock.leaseMs === undefined ? 'session' : 'ttl'),
    };
    if (lock.leaseMs !== undefined) {
      this.remainingMs = (owner) => {
        const held = this.#held.get(owner);
        return held === undefined ? 0 : this.#leftOf(held);
      };
    }
  }

  async attempt(requests: readonly HoldRequest[], call: CallContext): Promise<readonly Answer<null>[]> {
    this.#clock = call.clock;
    const outcomes = await Promise.allSettled(requests.map((request) => this.#tryLock(request, call)));
    return outcomes.map((outcome) => {
      // The others are freed by the release that core sends after an attempt that failed.
      if (outcome.status === 'rejected') throw outcome.reason;
      return outcome.value ? { granted: true, fencingToken: null } : { granted: false, remainingMs: null };
    });
  }

  /** Only this process has the lock's own handle. */
  canAdopt(): boolean {
    return false;
  }

  async renew(holds: readonly (HoldRef & { readonly ttlMs: number })[]): Promise<readonly (boolean | null)[]> {
    const outcomes = await Promise.allSettled(
      holds.map(async ({ name, owner, ttlMs }) => {
        const held = this.#held.get(owner);
        if (held === undefined) return false;
        const until = this.#momentIn(ttlMs);
        const stands = this.#lock.extend === undefined ? await this.#isHeld(held) : (await this.#lock.extend(name, held, ttlMs)) !== false;
        if (!stands) this.#forget(held);
        // A fixed lease is not moved by a look at it.
        else if (this.#lock.extend !== undefined) held.until = later(held.until, until);
        return stands;
      }),
    );
    // With one that failed, its error says more than "cannot tell".
    if (outcomes.length === 1 && outcomes[0]?.status === 'rejected') throw outcomes[0].reason;
    return outcomes.map((outcome) => (outcome.status === 'fulfilled' ? outcome.value : null));
  }

  async release(holds: readonly HoldRef[]): Promise<readonly boolean[]> {
    const outcomes = await Promise.allSettled(holds.map((hold) => this.#unlock(hold)));
    return outcomes.map((outcome) => {
      if (outcome.status === 'rejected') throw outcome.reason;
      return outcome.value;
    });
  }

  async inspect(name: string, kind: LockKind): Promise<LockState> {
    const own = this.#held.get(this.#taken.get(name) ?? '');
    const held = kind === 'lock' && (await this.#isLocked(name, own));
    const remainingMs = own !== undefined && this.remainingMs !== undefined ? Math.max(0, this.remainingMs(own.token)) : null;
    const holder = { label: own?.label ?? null, mode: 'exclusive', permits: 1, remainingMs, fencingToken: null } as const;
    return { name, kind, held, holders: held ? [holder] : [], waiters: null };
  }

  async forceRelease(name: string): Promise<boolean> {
    if (this.#lock.forceUnlock === undefined) throw this.#lacks('forceUnlock', name);
    const own = this.#held.get(this.#taken.get(name) ?? '');
    const wasFreed = (await this.#lock.forceUnlock(name)) !== false;
    if (own !== undefined && wasFreed) this.#forget(own);
    return wasFreed;
  }

  async checkHealth(): Promise<void> {
    // Core has taken and freed a lock; there is nothing that only this backend knows.
  }

  async close(): Promise<void> {
    await this.#lock.close?.();
  }

  async #tryLock({ name, owner, ttlMs, label }: HoldRequest, { signal }: CallContext): Promise<boolean> {
    const present = this.#taken.get(name);
    if (present !== undefined) {
      const held = this.#held.get(present);
      // A hold of ours that ended in the store, by its time or by force, before anybody here released it.
      if (present === owner) return held !== undefined;
      if (held === undefined) return false;
      if (this.#leftOf(held) > 0 && (await this.#isLocked(name, held))) return false;
      // Not twice: another task may have come through here meanwhile.
      if (this.#taken.get(name) !== present) return false;
      this.#forget(held);
    }
    this.#taken.set(name, owner);
    const until = this.#momentIn(this.#lock.leaseMs ?? (this.capabilities.expiry === 'ttl' ? ttlMs : Number.POSITIVE_INFINITY));
    try {
      const handle = await this.#lock.tryLock(name, { token: owner, ttlMs, label, signal });
      if (handle === null || handle === undefined || handle === false) {
        this.#taken.delete(name);
        return false;
      }
      this.#held.set(owner, { name, label, token: owner, handle, until });
      return true;
    } catch (error) {
      this.#taken.delete(name);
      if (this.#lock.undo !== undefined) this.#doubtful.add(owner);
      throw error;
    }
  }

  async #unlock({ name, owner }: HoldRef): Promise<boolean> {
    const held = this.#held.get(owner);
    if (held === undefined) {
      if (this.#doubtful.has(owner)) await this.#lock.undo?.(name, owner);
      this.#doubtful.delete(owner);
      return false;
    }
    const wasOurs = (await this.#lock.unlock(name, held)) !== false;
    this.#forget(held);
    return wasOurs;
  }

  async #isHeld(held: Held<H>): Promise<boolean> {
    return this.#lock.isHeld === undefined ? await this.#isLocked(held.name, held) : await this.#lock.isHeld(held.name, held);
  }

  /** @param own what this process has of it: all that is known of a lock that cannot be asked */
  async #isLocked(name: string, own: Held<H> | undefined): Promise<boolean> {
    if (this.#lock.isLocked !== undefined) return await this.#lock.isLocked(name);
    if (own === undefined) throw this.#lacks('isLocked', name);
    return this.#leftOf(own) > 0;
  }

  #lacks(method: keyof LegacyLock, lockName: string): LockUnavailableError {
    return new LockUnavailableError(`the ${this.name} lock has no ${method}`, { backend: this.name, lockName, retryable: false });
  }

  #forget({ name, token }: Held<H>): void {
    this.#held.delete(token);
    if (this.#taken.get(name) === token) this.#taken.delete(name);
  }

  #momentIn(ms: number): Moment {
    return { now: this.#clock.now() + ms, wall: this.#clock.wall() + ms };
  }

  /** By the clock that went further, so that a process that slept does not believe in what has ended. */
  #leftOf({ until }: Held<H>): number {
    return Math.min(until.now - this.#clock.now(), until.wall - this.#clock.wall());
  }
}

function later(a: Moment, b: Moment): Moment {
  return { now: Math.max(a.now, b.now), wall: Math.max(a.wall, b.wall) };
}
