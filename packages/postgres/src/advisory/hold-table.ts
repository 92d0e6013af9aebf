import type { HoldRef, HoldRequest, HolderState } from '@holdfast/core';
import { addTo, removeFrom } from '@holdfast/core/backend';
import { KeyRing } from './key-ring.js';
import type { NameKeys } from './lock-keys.js';
import type { PendingCommit } from './pending-commit.js';

/** One hold of this session. */
export interface Hold {
  readonly ref: HoldRef;
  readonly keys: NameKeys;
  readonly label: string;
  readonly fencingToken: bigint;
  /** Of permits: the slots taken. Else empty. */
  readonly slots: readonly number[];
  /** Its token has not been committed yet, so nobody has been notified of the hold. Settles when that is done, or the hold has gone before. */
  readonly commit: PendingCommit | null;
  /** Monotonic time of the grant. */
  readonly grantedAt: number;
  /** Monotonic time after which the holder certainly no longer believes in it. */
  until: number;
}

/** An unlock, and whether the key's waiters are to be notified behind it. */
export interface Unlock {
  readonly key: bigint;
  readonly mode: 'exclusive' | 'shared';
}

/**
 * What one session holds, by owner and by name: PostgreSQL grants a session what it holds already, so "busy" among the
 * owners of one session is said here. Keys and holds are kept in step with the statements of the session, which follow
 * one another; so between two statements this is what the server has.
 */
export class HoldTable {
  readonly ring = new KeyRing();
  readonly #byOwner = new Map<string, Hold>();
  readonly #byName = new Map<string, Set<Hold>>();
  /** Names whose keys are equal, though they are not: they share the key within the session. */
  readonly #users = new Map<bigint, number>();

  get size(): number {
    return this.#byOwner.size;
  }

  get(owner: string): Hold | undefined {
    return this.#byOwner.get(owner);
  }

  holds(): Iterable<Hold> {
    return this.#byOwner.values();
  }

  holdsOf({ id }: Pick<NameKeys, 'id'>): readonly Hold[] {
    return [...(this.#byName.get(id) ?? [])];
  }

  /** Whether the session's own holds are in the way of this request. */
  isBusy(request: HoldRequest, keys: NameKeys): boolean {
    const holds = this.#byName.get(keys.id);
    if (request.mode === 'permits') return request.limit - this.slotsOf(keys).size < request.permits;
    if (holds === undefined || holds.size === 0) return false;
    return request.mode !== 'read' || this.#isWritten(holds);
  }

  /** Whether the main key has to be taken from the server, or is here already: as a reader's, or by a name with an equal key. */
  needsMainKey(request: HoldRequest, keys: NameKeys): boolean {
    if (request.mode === 'read') return !this.ring.has(keys.main, 'shared');
    return !this.ring.has(keys.main, 'exclusive');
  }

  /** The key that counts a further reader for others to see; null for the first, whom the main key counts. */
  readerCounter(keys: NameKeys): bigint | null {
    const readers = this.#byName.get(keys.id)?.size ?? 0;
    return readers === 0 ? null : keys.readers + BigInt(readers - 1);
  }

  slotsOf(keys: NameKeys): ReadonlySet<number> {
    const slots = new Set<number>();
    for (const hold of this.#byName.get(keys.id) ?? []) for (const slot of hold.slots) slots.add(slot);
    return slots;
  }

  /** Notes a grant, and the keys that it brought. */
  add(hold: Hold): void {
    const { keys, ref } = hold;
    if (ref.mode === 'permits') {
      for (const slot of hold.slots) this.ring.add(keys.main + BigInt(slot), 'exclusive');
    } else if (ref.mode === 'read') {
      const counter = this.readerCounter(keys);
      this.ring.add(counter ?? keys.main, 'shared');
    } else {
      this.ring.add(keys.main, 'exclusive');
      this.#users.set(keys.main, (this.#users.get(keys.main) ?? 0) + 1);
    }
    this.#byOwner.set(ref.owner, hold);
    addTo(this.#byName, keys.id, hold);
  }

  /** Forgets a hold; answers what has to be unlocked for it. Readers of one session leave in any order: the last frees the main key. */
  remove(hold: Hold): readonly Unlock[] {
    const { keys, ref } = hold;
    if (!this.#byOwner.delete(ref.owner)) return [];
    hold.commit?.fail();
    removeFrom(this.#byName, keys.id, hold);
    return this.#keysFreed(hold).map((unlock) => {
      this.ring.remove(unlock.key, unlock.mode);
      return unlock;
    });
  }

  /** Whether a key of this hold is missing. */
  isBroken({ keys, ref, slots }: Hold): boolean {
    if (ref.mode === 'permits') return slots.some((slot) => !this.ring.has(keys.main + BigInt(slot), 'exclusive'));
    if (ref.mode !== 'read') return !this.ring.has(keys.main, 'exclusive');
    const others = (this.#byName.get(keys.id)?.size ?? 1) - 1;
    if (!this.ring.has(keys.main, 'shared')) return true;
    for (let index = 0; index < others; index++) if (!this.ring.has(keys.readers + BigInt(index), 'shared')) return true;
    return false;
  }

  #keysFreed({ keys, ref, slots }: Hold): readonly Unlock[] {
    if (ref.mode === 'permits') return slots.map((slot) => ({ key: keys.main + BigInt(slot), mode: 'exclusive' }));
    if (ref.mode === 'read') return [{ key: this.readerCounter(keys) ?? keys.main, mode: 'shared' }];
    const users = (this.#users.get(keys.main) ?? 1) - 1;
    if (users > 0) {
      this.#users.set(keys.main, users);
      return [];
    }
    this.#users.delete(keys.main);
    return [{ key: keys.main, mode: 'exclusive' }];
  }

  #isWritten(holds: ReadonlySet<Hold>): boolean {
    for (const hold of holds) if (hold.ref.mode === 'write') return true;
    return false;
  }
}

/** How a hold of this session is shown; of other sessions only the keys are known. */
export function holderOf(hold: Hold, now: number): HolderState {
  const { ref, label, slots, fencingToken, grantedAt } = hold;
  return {
    label,
    mode: ref.mode,
    permits: ref.mode === 'permits' ? slots.length : 1,
    remainingMs: null,
    fencingToken: ref.mode === 'permits' ? null : fencingToken,
    heldMs: now - grantedAt,
  };
}
