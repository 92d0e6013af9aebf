import type { LockKind } from '@holdfast/core';
import type { LegacyHold, LegacyHolder, LegacyLock, LegacyRequest } from '@holdfast/migration';

/** A home-made lock: a key with an owner and an end, as in `SET key token NX PX`. */
export class KeyLocks implements LegacyLock<string> {
  readonly name = 'keys';
  readonly #keys: Map<string, { readonly token: string; readonly until: number }>;

  constructor(keys = new Map<string, { readonly token: string; readonly until: number }>()) {
    this.#keys = keys;
  }

  async tryLock(name: string, { token, ttlMs }: { readonly token: string; readonly ttlMs: number }): Promise<string | null> {
    if (this.#live(name) !== null) return null;
    this.#keys.set(name, { token, until: performance.now() + ttlMs });
    return token;
  }

  async unlock(name: string, { handle }: { readonly handle: string }): Promise<boolean> {
    return this.#live(name)?.token === handle && this.#keys.delete(name);
  }

  async extend(name: string, { handle }: { readonly handle: string }, ttlMs: number): Promise<boolean> {
    const key = this.#live(name);
    if (key?.token !== handle) return false;
    this.#keys.set(name, { token: handle, until: Math.max(key.until, performance.now() + ttlMs) });
    return true;
  }

  async undo(name: string, token: string): Promise<void> {
    if (this.#live(name)?.token === token) this.#keys.delete(name);
  }

  async isLocked(name: string): Promise<boolean> {
    return this.#live(name) !== null;
  }

  async forceUnlock(name: string): Promise<boolean> {
    return this.#live(name) !== null && this.#keys.delete(name);
  }

  /** Another client of the same keys. */
  peer(): KeyLocks {
    return new KeyLocks(this.#keys);
  }

  #live(name: string): { readonly token: string; readonly until: number } | null {
    const key = this.#keys.get(name);
    return key === undefined || key.until <= performance.now() ? null : key;
  }
}

interface Owner {
  readonly client: object;
  count: number;
}

/**
 * A lock that belongs to the client and is re-entrant for it, until it is unlocked as often: Hazelcast's in Node, which
 * never excluded two tasks of one process.
 */
export class ClientLocks implements LegacyLock<Owner> {
  readonly name = 'clients';
  readonly #owners: Map<string, Owner>;

  constructor(owners = new Map<string, Owner>()) {
    this.#owners = owners;
  }

  async tryLock(name: string): Promise<Owner | null> {
    const owner = this.#owners.get(name);
    if (owner === undefined) {
      const first = { client: this, count: 1 };
      this.#owners.set(name, first);
      return first;
    }
    if (owner.client !== this) return null;
    owner.count += 1;
    return owner;
  }

  async isHeld(name: string, { handle }: { readonly handle: Owner }): Promise<boolean> {
    return this.#owners.get(name) === handle;
  }

  async unlock(name: string, { handle: owner }: { readonly handle: Owner }): Promise<boolean> {
    if (this.#owners.get(name) !== owner) return false;
    owner.count -= 1;
    if (owner.count === 0) this.#owners.delete(name);
    return true;
  }

  async isLocked(name: string): Promise<boolean> {
    return this.#owners.has(name);
  }

  async forceUnlock(name: string): Promise<boolean> {
    return this.#owners.delete(name);
  }

  peer(): ClientLocks {
    return new ClientLocks(this.#owners);
  }
}

interface Entry {
  readonly mode: LegacyRequest['mode'];
  readonly permits: number;
  readonly label: string;
  readonly until: number;
}

/** A home-made lock of several kinds: for each name the tokens that have it, each with an end. A writer waits until nobody happens to read. */
export class SharedLocks implements LegacyLock<true> {
  readonly name = 'shared';
  readonly also: LegacyLock['also'];
  readonly #entries: Map<string, Map<string, Entry>>;

  constructor(also: LegacyLock['also'], entries = new Map<string, Map<string, Entry>>()) {
    this.also = also;
    this.#entries = entries;
  }

  async tryLock(name: string, { token, mode, permits, limit, ttlMs, label }: LegacyRequest): Promise<true | null> {
    const holders = this.#holdersOf(name, kindOf(mode));
    const others = [...holders.values()];
    if (mode === 'exclusive' || mode === 'write' ? others.length > 0 : others.some((other) => other.mode === 'write')) return null;
    if (mode === 'permits' && others.reduce((sum, other) => sum + other.permits, permits) > limit) return null;
    holders.set(token, { mode, permits, label, until: performance.now() + ttlMs });
    return true;
  }

  async unlock(name: string, { token, mode }: LegacyHold<true>): Promise<boolean> {
    return this.#holdersOf(name, kindOf(mode)).delete(token);
  }

  async extend(name: string, { token, mode }: LegacyHold<true>, ttlMs: number): Promise<boolean> {
    const holders = this.#holdersOf(name, kindOf(mode));
    const entry = holders.get(token);
    if (entry === undefined) return false;
    holders.set(token, { ...entry, until: Math.max(entry.until, performance.now() + ttlMs) });
    return true;
  }

  async undo(name: string, token: string, { mode }: LegacyRequest): Promise<void> {
    this.#holdersOf(name, kindOf(mode)).delete(token);
  }

  async holders(name: string, kind: LockKind): Promise<LegacyHolder[]> {
    const now = performance.now();
    return [...this.#holdersOf(name, kind).values()].map(({ until, ...holder }) => ({ ...holder, remainingMs: Math.ceil(until - now) }));
  }

  async isLocked(name: string): Promise<boolean> {
    return this.#holdersOf(name, 'lock').size > 0;
  }

  async forceUnlock(name: string, kind: LockKind): Promise<boolean> {
    const hadAny = this.#holdersOf(name, kind).size > 0;
    this.#entries.delete(`${kind} ${name}`);
    return hadAny;
  }

  peer(): SharedLocks {
    return new SharedLocks(this.also, this.#entries);
  }

  /** Those whose time is not over. */
  #holdersOf(name: string, kind: LockKind): Map<string, Entry> {
    const key = `${kind} ${name}`;
    const holders = this.#entries.get(key) ?? new Map<string, Entry>();
    this.#entries.set(key, holders);
    for (const [token, { until }] of holders) if (until <= performance.now()) holders.delete(token);
    return holders;
  }
}

function kindOf(mode: LegacyRequest['mode']): LockKind {
  if (mode === 'exclusive') return 'lock';
  return mode === 'permits' ? 'semaphore' : 'read-write';
}
