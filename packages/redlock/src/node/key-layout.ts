import { type HoldRequest, LockArgumentError, type LockKind } from '@holdfast/core';
import { escapeGlob, type ModeLetter } from '@holdfast/redis/connection';
import { BACKEND } from '../redlock-error.js';

/** What every auxiliary key begins with. A lock's key that began so could be taken for one. */
const RESERVED_PREFIX = 'holdfast.redlock:';

/** In a bounded number of keys without expiry, so that tokens rise however long a name was not used. */
const FENCES = 1024;

/** How many names of one mode are remembered with their keys: each is asked for once a node and step. */
const MOST_KNOWN = 1_000;

type NameKeys = readonly [hold: string, ...rest: string[]];

export const modeOf: Readonly<Record<string, HoldRequest['mode']>> = { x: 'exclusive', w: 'write', r: 'read', p: 'permits' };
const linesOf: Readonly<Record<LockKind, string>> = { lock: 'lock-lines', semaphore: 'permits-lines', 'read-write': 'rw-lines' };

/** Where things lie on a node. The lock's key is `prefix + name`; everything else has a reserved prefix of its own. */
export class KeyLayout {
  readonly prefix: string;
  readonly markerKey = `${RESERVED_PREFIX}node`;
  readonly #mayCollide: boolean;
  readonly #known: Readonly<Record<ModeLetter, Map<string, NameKeys>>> = { x: new Map(), w: new Map(), r: new Map(), p: new Map() };

  /** @throws LockArgumentError LOCK_INVALID_ARGUMENT */
  constructor(prefix: string) {
    this.prefix = prefix;
    this.#mayCollide = RESERVED_PREFIX.startsWith(prefix);
    if (prefix.startsWith(RESERVED_PREFIX)) {
      throw new LockArgumentError(`redlock: prefix begins with ${RESERVED_PREFIX}, which is reserved`, { option: 'prefix' });
    }
  }

  /** @throws LockArgumentError LOCK_INVALID_ARGUMENT when the name leads into the reserved keys */
  lockKey(name: string): string {
    const key = this.prefix + name;
    if (this.#mayCollide && key.startsWith(RESERVED_PREFIX)) {
      throw new LockArgumentError(`redlock: the key ${RESERVED_PREFIX}... is reserved; use another name or another prefix`, {
        option: 'name',
        lockName: name,
        backend: BACKEND,
      });
    }
    return key;
  }

  /** The keys that a script wants for a name, as hold.lua lists them. */
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
    const key = (part: string): string => `${RESERVED_PREFIX}${part}:${lock}`;
    const fence = fenceOf(lock);
    if (mode === 'x') return [lock, key('lock-waiters'), fence];
    if (mode === 'p') return [key('permits'), key('permits-info'), key('permits-waiters'), fence];
    return [key('writer'), key('readers'), key('readers-info'), key('rw-waiters'), fence];
  }

  /** Where managers note how many wait for a name, see note-waiters.lua. */
  linesKey(name: string, kind: LockKind): string {
    return `${RESERVED_PREFIX}${linesOf[kind]}:${this.lockKey(name)}`;
  }

  /** All keys of last counters. */
  get fenceKeys(): readonly string[] {
    return Array.from({ length: FENCES }, (_, index) => `${RESERVED_PREFIX}fence:${index}`);
  }

  /** Where all completion marks lie, see mark.lua; each by the key of its lock. */
  readonly markKeys: readonly [marks: string, ends: string] = [`${RESERVED_PREFIX}marks`, `${RESERVED_PREFIX}mark-ends`];

  /** What a SCAN must match to find everything under a prefix of names. */
  patterns(prefix: string): readonly string[] {
    const lock = escapeGlob(this.prefix + prefix);
    return [`${lock}*`, ...['permits', 'writer', 'readers'].map((part) => `${RESERVED_PREFIX}${part}:${lock}*`)];
  }

  /** The name and kind of a key; null for a key that holds no lock. */
  parse(key: string): { readonly name: string; readonly kind: LockKind } | null {
    const aux = /^holdfast\.redlock:(?:(permits|writer|readers):)?/.exec(key);
    const lock = aux === null ? key : key.slice(aux[0].length);
    if (!lock.startsWith(this.prefix) || lock.length === this.prefix.length) return null;
    const name = lock.slice(this.prefix.length);
    if (aux === null) return { name, kind: 'lock' };
    if (aux[1] === undefined) return null;
    return { name, kind: aux[1] === 'permits' ? 'semaphore' : 'read-write' };
  }
}

function fenceOf(lockKey: string): string {
  let hash = 0x811c9dc5;
  for (let i = 0; i < lockKey.length; i++) hash = Math.imul(hash ^ lockKey.charCodeAt(i), 0x01000193);
  return `${RESERVED_PREFIX}fence:${(hash >>> 0) % FENCES}`;
}
