import { Buffer } from 'node:buffer';
import { createHash } from 'node:crypto';
import type { HoldRequest, LockKind } from '@holdfast/core';
import { kindOf } from '@holdfast/core/backend';
import { CHANNELS_BEGIN } from '../left-sessions.js';
import { unavailableBecause } from '../postgres-error.js';

/** The advisory keys of one name of one kind. */
export interface NameKeys {
  readonly kind: LockKind;
  readonly name: string;
  /** Names it in messages between backends, and in tables: 16 hex digits. */
  readonly id: string;
  /** Of a lock or read/write lock the key itself, of a semaphore its first slot. */
  readonly main: bigint;
  /** Shared: somebody waits. */
  readonly announcement: bigint;
  /** A waiting writer has it; a reader must have it for a moment. */
  readonly gate: bigint;
  /** The first of the keys by which readers of one session are counted. */
  readonly readers: bigint;
  /** Which of the channels its wake-ups come by. */
  readonly bucket: number;
}

const BUCKETS = 16;
/** More slots than this a semaphore has not: a range of keys of this length belongs to each. */
export const MAX_SLOTS = 2 ** 31;

const CACHE_SIZE = 4_096;

/**
 * Turns names into keys. A key is the first 64 bits of a SHA-256: two names among a million share one with a probability
 * of one in forty million, and then they only exclude each other. Within one session even that is noticed.
 */
export class LockKeys {
  /** What the channels of this namespace begin with. */
  readonly channelPrefix: string;
  readonly #namespace: string;
  readonly #keyOf: (name: string) => bigint | undefined;
  #cache = new Map<string, NameKeys>();
  #former = new Map<string, NameKeys>();

  constructor(namespace: string, keyOf: (name: string) => bigint | undefined) {
    this.#namespace = namespace;
    this.#keyOf = keyOf;
    this.channelPrefix = `${CHANNELS_BEGIN}${this.#hash('channel', '').toString(16).padStart(16, '0')}`;
  }

  of(kind: LockKind, name: string): NameKeys {
    const key = `${kind}:${name}`;
    let keys = this.#cache.get(key) ?? this.#former.get(key);
    if (keys === undefined) keys = this.#make(kind, name);
    else if (this.#cache.has(key)) return keys;
    if (this.#cache.size >= CACHE_SIZE) {
      this.#former = this.#cache;
      this.#cache = new Map();
    }
    this.#cache.set(key, keys);
    return keys;
  }

  ofMode(mode: HoldRequest['mode'], name: string): NameKeys {
    return this.of(kindOf(mode), name);
  }

  channel(bucket: number): string {
    return `${this.channelPrefix}_${bucket}`;
  }

  /** Where holders are asked, and answer. */
  get talkChannel(): string {
    return `${this.channelPrefix}_talk`;
  }

  #make(kind: LockKind, name: string): NameKeys {
    const hash = this.#hash(kind, name);
    const chosen = kind === 'lock' ? this.#chosen(name) : undefined;
    return {
      kind,
      name,
      id: hash.toString(16).padStart(16, '0'),
      main: chosen ?? (kind === 'semaphore' ? withRoom(hash) : BigInt.asIntN(64, hash)),
      announcement: BigInt.asIntN(64, this.#hash(`${kind} announcement`, name)),
      gate: BigInt.asIntN(64, this.#hash(`${kind} gate`, name)),
      readers: withRoom(this.#hash(`${kind} readers`, name)),
      bucket: Number(hash & BigInt(BUCKETS - 1)),
    };
  }

  #chosen(name: string): bigint | undefined {
    let key: unknown;
    try {
      key = this.#keyOf(name);
    } catch (error) {
      throw wrongKey(name, `threw ${error instanceof Error ? error.name : 'something'}`);
    }
    if (key === undefined) return undefined;
    if (typeof key !== 'bigint' || BigInt.asIntN(64, key) !== key) throw wrongKey(name, 'returned something else');
    return key;
  }

  #hash(kind: string, name: string): bigint {
    const hash = createHash('sha256');
    for (const part of [this.#namespace, kind, name]) {
      const bytes = Buffer.from(part, 'utf8');
      // The lengths keep ('a', 'bc') and ('ab', 'c') apart.
      hash.update(`${bytes.length}:`).update(bytes);
    }
    return hash.digest().readBigUInt64BE(0);
  }
}

function wrongKey(name: string, what: string): Error {
  return unavailableBecause(`keyOf must return a bigint that PostgreSQL can hold (64 bits, signed), or undefined; it ${what}`, {
    retryable: false,
    wasSent: false,
    lockName: name,
  });
}

/** A key behind which there is room for a range. */
function withRoom(hash: bigint): bigint {
  const key = BigInt.asIntN(64, hash);
  const last = 2n ** 63n - 1n - BigInt(MAX_SLOTS);
  return key > last ? key - BigInt(MAX_SLOTS) : key;
}
