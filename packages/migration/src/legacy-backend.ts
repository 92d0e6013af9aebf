import {
  type Answer,
  type CallContext,
  type Capabilities,
  type Clock,
  type HoldRef,
  type HolderState,
  type HoldRequest,
  type LockBackend,
  type LockKind,
  type LockState,
  LockUnavailableError,
  type Stamp,
  systemClock,
} from '@holdfast/core';
import { kindOf } from './kind-of.js';
import type { LegacyHold, LegacyLock, LegacyRequest } from './legacy-lock.js';
import { settleAll } from './settle-all.js';

interface Held<H> extends LegacyHold<H> {
  readonly name: string;
  readonly label: string;
  /** When the store will have ended it by itself, on the monotonic and the wall clock. */
  until: Stamp;
}

/** A backend over an existing lock. It adds what such locks lack: exclusion within the process, and owners. */
export class LegacyBackend<H> implements LockBackend<null> {
  readonly contract = 1;
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly remainingMs?: (owner: string) => number;
  readonly #lock: LegacyLock<H>;
  readonly #held = new Map<string, Held<H>>();
  /** Locks that this process holds or asks for: the lock may be re-entrant for it, and let a second task in. */
  readonly #taken = new Map<string, string>();
  /** What was asked of a `tryLock` that failed, by its owner: whether it left a lock is not known. */
  readonly #doubtful = new Map<string, LegacyRequest>();
  #clock: Clock = systemClock;

  constructor(lock: LegacyLock<H>) {
    this.#lock = lock;
    this.name = lock.name ?? 'legacy';
    this.capabilities = {
      fencing: false,
      semaphores: lock.also?.includes('semaphore') ?? false,
      readWriteLocks: lock.also?.includes('read-write') ?? false,
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
    // The others are freed by the release that core sends after an attempt that failed.
    const answers = await settleAll(requests.map((request) => this.#tryLock(request, call)));
    return answers.map((isOurs) => (isOurs ? { granted: true, fencingToken: null } : { granted: false, remainingMs: null }));
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

  release(holds: readonly HoldRef[]): Promise<readonly boolean[]> {
    return settleAll(holds.map((hold) => this.#unlock(hold)));
  }

  async inspect(name: string, kind: LockKind): Promise<LockState> {
    const holders = await this.#holders(name, kind);
    return { name, kind, held: holders.length > 0, holders, waiters: null };
  }

  async forceRelease(name: string, kind: LockKind): Promise<boolean> {
    if (this.#lock.forceUnlock === undefined) throw this.#lacks('forceUnlock', name);
    const own = this.#ownOf(name, kind);
    const wasFreed = (await this.#lock.forceUnlock(name, kind)) !== false;
    if (wasFreed) for (const held of own) this.#forget(held);
    return wasFreed;
  }

  async checkHealth(): Promise<void> {
    // Core has taken and freed a lock; there is nothing that only this backend knows.
  }

  async close(): Promise<void> {
    await this.#lock.close?.();
  }

  async #tryLock(asked: HoldRequest, { signal }: CallContext): Promise<boolean> {
    const { name, owner, mode, ttlMs, label } = asked;
    if (this.#held.has(owner)) return true;
    if (mode === 'exclusive' && !(await this.#isFreeHere(name, owner))) return false;
    const counts = mode === 'permits' ? { permits: asked.permits, limit: asked.limit } : { permits: 1, limit: 1 };
    const request: LegacyRequest = { token: owner, mode, ...counts, ttlMs, label, signal };
    const until = this.#momentIn(this.#lock.leaseMs ?? (this.capabilities.expiry === 'ttl' ? ttlMs : Number.POSITIVE_INFINITY));
    const ended = { name, token: owner };
    try {
      const handle = await this.#lock.tryLock(name, request);
      if (handle === null || handle === undefined || handle === false) {
        this.#forget(ended);
        return false;
      }
      this.#held.set(owner, { name, label, token: owner, mode, permits: counts.permits, handle, until });
      return true;
    } catch (error) {
      this.#forget(ended);
      if (this.#lock.undo !== undefined) this.#doubtful.set(owner, request);
      throw error;
    }
  }

  /** Whether no other task of this process has the lock or asks for it; from then on this one does. */
  async #isFreeHere(name: string, owner: string): Promise<boolean> {
    const present = this.#taken.get(name);
    if (present !== undefined) {
      const held = this.#held.get(present);
      if (held === undefined) return false;
      // A hold of ours that ended in the store, by its time or by force, before anybody here released it.
      if (this.#leftOf(held) > 0 && (await this.#isLocked(name, held))) return false;
      // Not twice: another task may have come through here meanwhile.
      if (this.#taken.get(name) !== present) return false;
      this.#forget(held);
    }
    this.#taken.set(name, owner);
    return true;
  }

  async #unlock({ name, owner }: HoldRef): Promise<boolean> {
    const held = this.#held.get(owner);
    if (held === undefined) {
      const doubt = this.#doubtful.get(owner);
      if (doubt !== undefined) await this.#lock.undo?.(name, owner, doubt);
      this.#doubtful.delete(owner);
      return false;
    }
    const wasOurs = (await this.#lock.unlock(name, held)) !== false;
    this.#forget(held);
    return wasOurs;
  }

  async #isHeld(held: Held<H>): Promise<boolean> {
    if (this.#lock.isHeld !== undefined) return await this.#lock.isHeld(held.name, held);
    // That somebody has permits, or reads, says nothing of this hold.
    return held.mode === 'exclusive' ? await this.#isLocked(held.name, held) : this.#leftOf(held) > 0;
  }

  #ownOf(name: string, kind: LockKind): Held<H>[] {
    return [...this.#held.values()].filter((held) => held.name === name && kindOf(held.mode) === kind);
  }

  async #holders(name: string, kind: LockKind): Promise<HolderState[]> {
    if (kind !== 'lock' && !this.#lock.also?.includes(kind)) return [];
    const own = this.#ownOf(name, kind);
    if (this.#lock.holders !== undefined) {
      const holders = await this.#lock.holders(name, kind);
      return holders.map(({ mode, permits, label = null, remainingMs = null }) => ({
        label,
        mode,
        permits,
        remainingMs,
        fencingToken: null,
      }));
    }
    if (kind === 'lock') {
      if (!(await this.#isLocked(name, own[0]))) return [];
      return own.length > 0 ? own.map((held) => this.#stateOf(held)) : [UNKNOWN_HOLDER];
    }
    if (own.length === 0) throw this.#lacks('holders', name);
    return own.map((held) => this.#stateOf(held));
  }

  #stateOf(held: Held<H>): HolderState {
    const { label, mode, permits } = held;
    const remainingMs = this.remainingMs === undefined ? null : Math.max(0, this.remainingMs(held.token));
    return { label, mode, permits, remainingMs, fencingToken: null };
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

  #forget({ name, token }: Pick<Held<H>, 'name' | 'token'>): void {
    this.#held.delete(token);
    if (this.#taken.get(name) === token) this.#taken.delete(name);
  }

  #momentIn(ms: number): Stamp {
    return { now: this.#clock.now() + ms, wall: this.#clock.wall() + ms };
  }

  /** By the clock that went further, so that a process that slept does not believe in what has ended. */
  #leftOf({ until }: Held<H>): number {
    return Math.min(until.now - this.#clock.now(), until.wall - this.#clock.wall());
  }
}

const UNKNOWN_HOLDER: HolderState = { label: null, mode: 'exclusive', permits: 1, remainingMs: null, fencingToken: null };

function later(a: Stamp, b: Stamp): Stamp {
  return { now: Math.max(a.now, b.now), wall: Math.max(a.wall, b.wall) };
}
