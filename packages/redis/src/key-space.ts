import { type HoldRequest, LockArgumentError, type LockKind } from '@holdfast/core';
import { SLOTS, slotOf, tagOf } from './key-slot.js';

/** What every auxiliary key begins with. A lock's key that began so could be taken for one. */
export const RESERVED_PREFIX = 'holdfast.{';

/** The modes of the contract as the scripts write them. */
export type ModeLetter = 'x' | 'w' | 'r' | 'p';

export const letterOf: Readonly<Record<HoldRequest['mode'], ModeLetter>> = { exclusive: 'x', write: 'w', read: 'r', permits: 'p' };

/** The letter under which a script finds all keys of a kind. */
export const letterOfKind: Readonly<Record<LockKind, ModeLetter>> = { lock: 'x', semaphore: 'p', 'read-write': 'w' };

/** How many names of one mode are remembered with their keys. */
const MOST_KNOWN = 4_000;

/** One name of one kind on the server. */
export interface NameKeys {
  readonly slot: number;
  /** x: lock, waiters   p: permits, info, waiters   r, w: writer, readers, info, waiters */
  readonly keys: readonly [hold: string, ...rest: string[]];
  readonly fence: string;
  /** What a request that may be granted needs: permits have no fence. */
  readonly granting: readonly string[];
}

/** Where some completion marks lie, see include/mark.lua. */
export interface MarkKeys {
  readonly slot: number;
  readonly ends: string;
  readonly marks: string;
}

/** Few enough that each is swept often, many enough that a cluster shares them. Part of the format on the server. */
const MARK_BUCKETS = 64;

/**
 * Where things lie. The lock's key is `prefix + name`, for the sake of other libraries on the same key; everything else
 * lies under the reserved prefix, in the same slot. Auxiliary keys hold the whole lock key, so that two backends with
 * different prefixes share them exactly when they share the lock's key.
 */
export class KeySpace {
  readonly prefix: string;
  /** What the client puts in front of every key by itself; it decides the slot, too. */
  readonly clientPrefix: string;
  readonly #mayCollide: boolean;
  readonly #known: Readonly<Record<ModeLetter, Map<string, NameKeys>>> = { x: new Map(), w: new Map(), r: new Map(), p: new Map() };

  constructor(prefix: string, clientPrefix: string) {
    this.prefix = prefix;
    this.clientPrefix = clientPrefix;
    this.#mayCollide = RESERVED_PREFIX.startsWith(prefix);
    if (prefix.startsWith(RESERVED_PREFIX)) {
      throw new LockArgumentError(`redis: prefix begins with ${RESERVED_PREFIX}, which is reserved for keys of Holdfast`, {
        option: 'prefix',
      });
    }
    // The first brace of the whole key makes the tag. A complete tag in front puts all keys into one slot, which is
    // fine; an open one would swallow ours.
    const open = clientPrefix.indexOf('{');
    if (open >= 0 && clientPrefix.indexOf('}', open) <= open + 1) {
      throw new LockArgumentError(
        "redis: the client's keyPrefix has a { without a hash tag, so that keys of one lock would lie in different slots",
        {
          option: 'client',
        },
      );
    }
  }

  /** @throws LockArgumentError LOCK_INVALID_ARGUMENT when the name leads into the reserved keys */
  lockKey(name: string): string {
    const key = this.prefix + name;
    if (this.#mayCollide && key.startsWith(RESERVED_PREFIX)) {
      throw new LockArgumentError(`redis: the key ${RESERVED_PREFIX}... is reserved for Holdfast; use another name or another prefix`, {
        option: 'name',
        lockName: name,
        backend: 'redis',
      });
    }
    return key;
  }

  slotOf(name: string): number {
    return slotOf(this.clientPrefix + this.lockKey(name));
  }

  keysOf(name: string, mode: ModeLetter): NameKeys {
    const known = this.#known[mode];
    let keys = known.get(name);
    if (keys === undefined) {
      // The same names come again and again; should they not, a full table is as good as none.
      if (known.size === MOST_KNOWN) known.clear();
      keys = this.#makeKeys(name, mode);
      known.set(name, keys);
    }
    return keys;
  }

  #makeKeys(name: string, mode: ModeLetter): NameKeys {
    const lock = this.lockKey(name);
    const slot = slotOf(this.clientPrefix + lock);
    const aux = `${RESERVED_PREFIX}${tagOf(slot)}}:`;
    const fence = `${aux}fence`;
    if (mode === 'x') {
      const waiters = `${aux}lock-waiters:${lock}`;
      return { slot, fence, keys: [lock, waiters], granting: [lock, waiters, fence] };
    }
    if (mode === 'p') {
      const keys = [`${aux}permits:${lock}`, `${aux}permits-info:${lock}`, `${aux}permits-waiters:${lock}`] as const;
      return { slot, fence, keys, granting: keys };
    }
    const keys = [`${aux}writer:${lock}`, `${aux}readers:${lock}`, `${aux}readers-info:${lock}`, `${aux}rw-waiters:${lock}`] as const;
    return { slot, fence, keys, granting: [...keys, fence] };
  }

  /** Where the completion mark of a name lies. */
  markKeys(name: string): MarkKeys {
    return this.#markKeysIn(slotOf(this.lockKey(name)) % MARK_BUCKETS);
  }

  /** All places where completion marks may lie. */
  allMarkKeys(): readonly MarkKeys[] {
    return Array.from({ length: MARK_BUCKETS }, (_, bucket) => this.#markKeysIn(bucket));
  }

  #markKeysIn(bucket: number): MarkKeys {
    const aux = `${RESERVED_PREFIX}${tagOf(bucket * (SLOTS / MARK_BUCKETS))}}:`;
    const marks = `${aux}marks`;
    return { slot: slotOf(this.clientPrefix + marks), ends: `${aux}mark-ends`, marks };
  }

  /** The name of a mark by what stands for it in its hash; null where it is another prefix's. */
  nameOfField(field: string): string | null {
    return field.startsWith(this.prefix) && field.length > this.prefix.length ? field.slice(this.prefix.length) : null;
  }

  /** A key of ours in the slot, for the write that a replica has to confirm. */
  confirmKey(slot: number): string {
    return `${RESERVED_PREFIX}${tagOf(slot)}}:confirm`;
  }

  /** The hold's key as the server knows it, as messages name it. */
  onServer(key: string): string {
    return this.clientPrefix + key;
  }

  /** The tag under which a manager is notified of a name: that of its keys in a cluster, braces included; else ''. */
  wakeTagOf({ keys }: NameKeys, isCluster: boolean): string {
    return isCluster ? (/\{[^}]+\}/.exec(this.onServer(keys.at(-1) ?? ''))?.[0] ?? '') : '';
  }

  /** The name and kind of a key on the server: of a lock, permits, a writer or readers. null for any other key. */
  parse(keyOnServer: string): { readonly name: string; readonly kind: LockKind } | null {
    if (!keyOnServer.startsWith(this.clientPrefix)) return null;
    const key = keyOnServer.slice(this.clientPrefix.length);
    const aux = /^holdfast\.\{[0-9a-z]+\}:([a-z-]+):/.exec(key);
    const lock = aux === null ? key : key.slice(aux[0].length);
    if (!lock.startsWith(this.prefix) || lock.length === this.prefix.length) return null;
    const name = lock.slice(this.prefix.length);
    if (aux === null) return key.startsWith(RESERVED_PREFIX) ? null : { name, kind: 'lock' };
    if (aux[1] === 'permits') return { name, kind: 'semaphore' };
    return aux[1] === 'writer' || aux[1] === 'readers' ? { name, kind: 'read-write' } : null;
  }
}
