import type { ModeLetter } from '../../src/key-space.js';
import { RedisData } from './redis-data.js';

const [WAITERS_MS, RESERVED_MS, TURN_MS, PLAIN_MS, INTENT_MS, WRITER_POLL_MS, ALIVE_MS] = [3_000, 1_000, 100, 2_500, 1_900, 1_500, 1_600];
/** Scores below it are moments in ms, those above it places in a queue. */
const QUEUE = 100_000_000_000_000;

/** What a mutant changes of the scripts. */
export interface ScriptRules {
  /** Whether a request is refused that comes after its moment. */
  readonly checksDeadline: 'all' | 'grants' | 'none';
  /** Whether only its owner renews and frees a hold. */
  readonly checksOwner: boolean;
  /** Whether a renewal may shorten what is kept. */
  readonly neverShortens: boolean;
  /** Whether tokens rise above the last one of their bucket. */
  readonly remembersFence: boolean;
  /** Whether whoever waits hears of what was freed. */
  readonly handsOn: boolean;
  /** Whether a reader looks at the writer's key. */
  readonly looksAtWriter: boolean;
}

export const realRules: ScriptRules = {
  checksDeadline: 'all',
  checksOwner: true,
  neverShortens: true,
  remembersFence: true,
  handsOn: true,
  looksAtWriter: true,
};

export interface RedisModelOptions {
  /** Microseconds of the server's wall clock. */
  readonly micros: () => number;
  /** @returns how many listen */
  readonly publish: (channel: string, text: string) => number;
  readonly rules?: ScriptRules;
}

/** The keys of one name; see hold.lua. */
interface Keys {
  readonly hold: string;
  readonly set: string | null;
  readonly info: string;
  readonly waiters: string;
}

interface Waiter {
  readonly member: string;
  readonly id: string;
  readonly mode: string;
  readonly permits: number;
  readonly limit: number;
  readonly expiry: number;
}

/** What acquire.lua answers for one request. */
type Attempt = string | number;
type Reply = readonly unknown[];

/** The scripts, step for step, over data in memory. */
export class RedisModel {
  readonly data = new RedisData();
  readonly #options: RedisModelOptions;
  readonly #rules: ScriptRules;
  /** Microseconds of the present script. */
  #micros = 0;
  #isCounted = true;
  #manager = '';

  constructor(options: RedisModelOptions) {
    this.#options = options;
    this.#rules = options.rules ?? realRules;
  }

  /** Carries out one script. The last element of the reply is the time. */
  run(script: string, keys: readonly string[], args: readonly string[]): Reply {
    this.#micros = this.#options.micros();
    this.data.now = Math.floor(this.#micros / 1000);
    const head = args[0] ?? '';
    this.#isCounted = head.startsWith('1');
    this.#manager = head.slice(1);
    switch (script) {
      case 'acquire':
        return this.#late(args, true) ?? this.#acquire(keys, args.slice(3));
      case 'enqueue':
        return this.#late(args, true) ?? this.#enqueue(keys, args.slice(3));
      case 'renew':
        return this.#late(args, false) ?? this.#renew(keys, args.slice(3));
      case 'refresh':
        return this.#late(args, false) ?? this.#refresh(keys, args.slice(3));
      case 'release':
        return this.#release(keys, args.slice(1));
      case 'decline':
        return this.#decline(keys, args.slice(1));
      case 'withdraw':
        return this.#withdraw(keys, args.slice(1));
      case 'forceRelease':
        return this.#forceRelease(keys, args.slice(1));
      case 'inspect':
        return this.#inspect(keys, args.slice(1));
      default:
        throw new Error(`the model does not know ${script}`);
    }
  }

  get #now(): number {
    return this.data.now;
  }

  // --- the scripts

  #late([, notAfter, window]: readonly string[], grants: boolean): Reply | null {
    const { checksDeadline } = this.#rules;
    if (checksDeadline === 'none' || (checksDeadline === 'grants' && !grants)) return null;
    const left = Number(notAfter) - this.#now;
    return left < 0 || Number(window) - left < 0 ? ['late', this.#now] : null;
  }

  #acquire(keys: readonly string[], requests: readonly string[]): Reply {
    const { data } = this;
    let at = 0;
    const asked = requests.map((request) => {
      const [, mode = 'x', owner = '', ttl = '', member = '', rest = ''] = /^(\S) (\S+) (\d+) (\S+) ([^]*)$/.exec(request) ?? [];
      const k = keysOf(mode, keys, at);
      at += mode === 'x' ? 2 : mode === 'p' ? 3 : 4;
      const fenceKey = mode === 'p' ? '' : (keys[at++] ?? '');
      const [, permits, limit, label] = mode === 'p' ? (/^(\d+) (\d+) ([^]*)$/.exec(rest) ?? []) : ['', '1', '1', rest];
      return { k, fenceKey, mode, owner, ttl: Number(ttl), member, label: label ?? '', permits: Number(permits), limit: Number(limit) };
    });
    // Locks that are free and for which nobody waits share one fence.
    const areFree = asked.every(({ mode, k }) => mode === 'x' && !data.exists(k.hold, k.waiters));
    const shared = areFree ? this.#nextFenceOfAll(asked.map(({ fenceKey }) => fenceKey)) : null;
    const replies = asked.map((request): Attempt => {
      const { k, fenceKey, mode, owner, ttl, member, label, permits, limit } = request;
      if (mode === 'x' && !data.exists(k.hold, k.waiters)) {
        const fence = shared ?? this.#nextFence(fenceKey);
        this.#place(k, mode, owner, permits, ttl, fence, label);
        return fence;
      }
      let reply = this.#try(k, fenceKey, mode, owner, ttl, label, permits, limit);
      if (typeof reply === 'number') {
        if (member !== '-') {
          this.#enter(k, member, PLAIN_MS);
          if (mode === 'w' && (reply === -1 || reply < -2 - WRITER_POLL_MS)) reply = -2 - WRITER_POLL_MS;
        }
      } else {
        if (member !== '-') data.zrem(k.waiters, member);
        if (mode !== 'x' && mode !== 'w') this.#handOn(k, null);
      }
      return reply;
    });
    return [...replies, this.#now];
  }

  #enqueue(keys: readonly string[], args: readonly string[]): Reply {
    const [mode = 'x', owner = '', ttl, label = '', permits, limit, member = '', former = '', isOnly] = args;
    const k = keysOf(mode, keys, 0);
    const fenceKey = keys[mode === 'x' ? 2 : mode === 'p' ? 3 : 4] ?? '';
    this.#sweep(k);
    let reply: Attempt;
    if (former === '' || this.#found(k, mode, owner) !== null) {
      reply = this.#try(k, fenceKey, mode, owner, Number(ttl), label, Number(permits), Number(limit));
    } else {
      this.#dropExpired(k);
      reply = this.#busy(k, mode, Number(permits), Number(limit));
    }
    if (typeof reply !== 'number') {
      this.#leave(k, owner, member, isOnly === '1');
      if (mode !== 'x' && mode !== 'w') this.#handOn(k, null);
      return [[reply, '', 1], this.#now];
    }
    let score = Number(former);
    if (former === '') score = Math.max(this.#micros, (this.data.zrange(k.waiters).at(-1)?.[1] ?? 0) + 1);
    const known = this.data.zscore(k.waiters, `f${this.#manager}`) !== null;
    this.data.zadd(k.waiters, score, member);
    this.#enter(k, `f${this.#manager}`, ALIVE_MS);
    this.#handOn(k, null);
    return [[reply, String(score), known ? 1 : 0], this.#now];
  }

  #renew(keys: readonly string[], holds: readonly string[]): Reply {
    let at = 0;
    const replies = holds.map((hold) => {
      const [mode = 'x', owner = '', ttl] = hold.split(' ');
      const isOne = mode === 'x' || mode === 'w';
      const [first = '', second = ''] = keys.slice(at, at + 2);
      at += isOne ? 1 : 2;
      const k = isOne ? { hold: first, set: null, info: '', waiters: '' } : { hold: '', set: first, info: second, waiters: '' };
      return this.#prolong(k, mode, owner, Number(ttl));
    });
    return [...replies, this.#now];
  }

  #refresh(keys: readonly string[], modes: readonly string[]): Reply {
    let at = 0;
    const replies = modes.map((mode) => {
      const k = keysOf(mode, keys, at);
      at += mode === 'x' ? 2 : mode === 'p' ? 3 : 4;
      if (this.data.zscore(k.waiters, `f${this.#manager}`) === null) return 0;
      this.#enter(k, `f${this.#manager}`, ALIVE_MS);
      this.#handOn(k, null);
      const reserved = this.data.zrange(k.waiters).flatMap(([member, score]) => {
        const [, owner, id] = /^r(.*):([0-9a-f]+)$/.exec(member) ?? [];
        return score > this.#now && score <= QUEUE && id === this.#manager && owner !== undefined ? [owner] : [];
      });
      return reserved.join(',');
    });
    return [...replies, this.#now];
  }

  #release(keys: readonly string[], holds: readonly string[]): Reply {
    let at = 0;
    const replies = holds.map((hold) => {
      const [mode = 'x', owner = '', member = '', last] = hold.split(' ');
      const k = keysOf(mode, keys, at);
      at += mode === 'x' ? 2 : mode === 'p' ? 3 : 4;
      const reply = this.#drop(k, mode, owner);
      this.#leave(k, owner, member, last === '1');
      this.#handOn(k, mode);
      return reply;
    });
    return [...replies, this.#now];
  }

  #decline(keys: readonly string[], [mode = 'x', owner = '']: readonly string[]): Reply {
    const k = keysOf(mode, keys, 0);
    this.#sweep(k);
    if (this.#found(k, mode, owner)?.fence !== '0') return [0, this.#now];
    this.#drop(k, mode, owner);
    this.#leave(k, owner, '', false);
    this.#handOn(k, mode);
    return [1, this.#now];
  }

  #withdraw(keys: readonly string[], [mode = 'x', member = '']: readonly string[]): Reply {
    const k = keysOf(mode, keys, 0);
    this.data.zrem(k.waiters, member);
    this.#handOn(k, null);
    return [1, this.#now];
  }

  #forceRelease(keys: readonly string[], [mode = 'x']: readonly string[]): Reply {
    const { data } = this;
    const k = keysOf(mode, keys, 0);
    let freed = 0;
    this.#sweep(k);
    if (mode !== 'p') {
      const held = data.get(k.hold);
      if (held !== null && !/^[0-9a-f]{32}:0:/.test(held)) {
        data.delete(k.hold);
        freed = 1;
      }
    }
    if (k.set !== null) {
      const isHeld = new Map<string, boolean>();
      for (const [member] of data.zrange(k.set)) {
        const owner = ownerOf(member);
        if (!isHeld.has(owner)) isHeld.set(owner, data.hget(k.info, owner)?.startsWith('0:') !== true);
        if (isHeld.get(owner) === false) continue;
        data.zrem(k.set, member);
        data.hdel(k.info, owner);
        freed = 1;
      }
    }
    this.#handOn(k, mode);
    return [freed, this.#now];
  }

  #inspect(keys: readonly string[], [mode = 'x']: readonly string[]): Reply {
    const { data } = this;
    const k = keysOf(mode, keys, 0);
    let waiters = 0;
    for (const [member, score] of data.zrange(k.waiters)) {
      if (score > this.#now && score < QUEUE ? /^p[0-9a-f]+:/.test(member) : score >= QUEUE && member.includes(':')) waiters += 1;
    }
    const reply: unknown[] = [waiters];
    if (mode !== 'p') {
      const held = data.get(k.hold);
      const rest = /^[0-9a-f]{32}:(\d+:[^]*)$/.exec(held ?? '')?.[1];
      if (held !== null && rest === undefined) reply.push('x', '', data.pttl(k.hold));
      else if (rest !== undefined && !rest.startsWith('0:')) reply.push(mode === 'x' ? 'x' : 'w', rest, data.pttl(k.hold));
    }
    if (k.set !== null) {
      const seen = new Set<string>();
      for (const [member, score] of data.zrange(k.set)) {
        const owner = ownerOf(member);
        if (score <= this.#now || seen.has(owner)) continue;
        seen.add(owner);
        const entry = data.hget(k.info, owner);
        if (entry !== null && !entry.startsWith('0:')) reply.push(mode === 'p' ? 'p' : 'r', entry, Math.max(0, score - this.#now));
      }
    }
    return [reply, this.#now];
  }

  // --- hold.lua, grant.lua, fence.lua

  #try(k: Keys, fenceKey: string, mode: string, owner: string, ttl: number, label: string, permits: number, limit: number): Attempt {
    this.#sweep(k);
    const known = this.#found(k, mode, owner);
    if (known !== null && known.fence !== '0') {
      this.#prolong(k, mode, owner, ttl);
      return mode === 'p' ? '0' : known.fence;
    }
    if (known === null) {
      if (this.data.exists(k.waiters)) {
        this.#dropExpired(k);
        if (this.#liveHead(k) !== null) {
          this.#handOn(k, null);
          return this.#busy(k, mode, permits, limit);
        }
        const intent = mode === 'r' ? this.#writersWaitFor(k) : 0;
        if (intent > 0) {
          this.#handOn(k, null);
          return -2 - intent;
        }
      }
      if (!this.#fits(k, mode, permits, limit)) return this.#busy(k, mode, permits, limit);
    }
    const fence = mode === 'p' ? '1' : this.#nextFence(fenceKey);
    this.#place(k, mode, owner, permits, ttl, fence, label);
    this.#leave(k, owner, '', false);
    return mode === 'p' ? '0' : fence;
  }

  #nextFence(key: string): string {
    const last = this.data.get(key);
    const fence = last === null || !this.#rules.remembersFence ? this.#micros : Math.max(this.#micros, Number(last) + 1);
    this.data.set(key, String(fence), null);
    return String(fence);
  }

  #nextFenceOfAll(keys: readonly string[]): string {
    const fence = keys.reduce((highest, key) => Math.max(highest, Number(this.#nextFence(key))), 0);
    for (const key of keys) this.data.set(key, String(fence), null);
    return String(fence);
  }

  #sweep({ set, info }: Keys): void {
    if (set === null) return;
    for (const [member, score] of this.data.zrange(set)) {
      if (score > this.#now) return;
      this.data.zrem(set, member);
      this.data.hdel(info, ownerOf(member));
    }
  }

  #keep(key: string, ttl: number): void {
    this.data.pexpire(key, Math.max(ttl, this.data.pttl(key)));
  }

  #mark({ set, info }: Keys, mode: string, owner: string, permits: number, ttl: number): void {
    if (set === null) return;
    const expiry = this.#now + ttl;
    if (mode === 'r') this.data.zadd(set, expiry, owner);
    else for (let permit = 1; permit <= permits; permit++) this.data.zadd(set, expiry, `${owner}:${permit}`);
    this.#keep(set, ttl + 1000);
    this.#keep(info, ttl + 1000);
  }

  #place(k: Keys, mode: string, owner: string, permits: number, ttl: number, fence: string, label: string): void {
    if (mode === 'x' || mode === 'w') {
      this.data.set(k.hold, `${owner}:${fence}:${label}`, ttl);
    } else {
      this.data.hset(k.info, owner, `${fence}:${permits}:${label}`);
      this.#mark(k, mode, owner, permits, ttl);
    }
  }

  #found(k: Keys, mode: string, owner: string): { readonly fence: string; readonly permits: number } | null {
    if (mode === 'x' || mode === 'w') {
      const held = this.data.get(k.hold);
      const isOurs =
        held !== null && (held.startsWith(`${owner}:`) || (!this.#rules.checksOwner && !held.startsWith(`${ownerOf(held)}:0:`)));
      const fence = isOurs ? /^[^:]*:(\d+):/.exec(held)?.[1] : undefined;
      return fence === undefined ? null : { fence, permits: 1 };
    }
    const [, fence, permits] = /^(\d+):(\d+):/.exec(this.data.hget(k.info, owner) ?? '') ?? [];
    return fence === undefined ? null : { fence, permits: Number(permits) };
  }

  #prolong(k: Keys, mode: string, owner: string, ttl: number): 0 | 1 {
    this.#sweep(k);
    const known = this.#found(k, mode, owner);
    if (known === null || known.fence === '0') return 0;
    const { neverShortens } = this.#rules;
    if (mode === 'x' || mode === 'w') {
      const left = this.data.pttl(k.hold);
      if (left >= 0 && (left < ttl || !neverShortens)) this.data.pexpire(k.hold, ttl);
      return 1;
    }
    const score = this.data.zscore(k.set ?? '', mode === 'r' ? owner : `${owner}:1`);
    if (score === null) return 0;
    if (score < this.#now + ttl || !neverShortens) {
      this.#keep(k.info, ttl + 1000);
      this.#mark(k, mode, owner, known.permits, ttl);
    }
    return 1;
  }

  #drop(k: Keys, mode: string, owner: string): 0 | 1 {
    this.#sweep(k);
    const known = this.#found(k, mode, owner);
    if (known === null) return 0;
    if (mode === 'x' || mode === 'w') {
      this.data.delete(k.hold);
    } else {
      this.data.hdel(k.info, owner);
      if (mode === 'r') this.data.zrem(k.set ?? '', owner);
      else for (let permit = 1; permit <= known.permits; permit++) this.data.zrem(k.set ?? '', `${owner}:${permit}`);
    }
    return known.fence === '0' ? 0 : 1;
  }

  #fits(k: Keys, mode: string, permits: number, limit: number): boolean {
    if (mode === 'p') return this.data.zcard(k.set ?? '') + permits <= limit;
    if (this.data.exists(k.hold) && (mode !== 'r' || this.#rules.looksAtWriter)) return false;
    return mode !== 'w' || this.data.zcard(k.set ?? '') === 0;
  }

  #busy(k: Keys, mode: string, permits: number, limit: number): number {
    const { data } = this;
    let left = -1;
    if (mode === 'p') {
      const over = data.zcard(k.set ?? '') + permits - limit;
      const last = over > 0 ? data.zrange(k.set ?? '')[over - 1] : undefined;
      if (last !== undefined) left = Math.max(0, last[1] - this.#now);
    } else {
      left = data.pttl(k.hold);
      if (mode === 'w' && left < 0) {
        const last = data.zrange(k.set ?? '').at(-1);
        left = last === undefined ? -1 : Math.max(0, last[1] - this.#now);
      }
    }
    return left < 0 ? -1 : -2 - left;
  }

  // --- waiters.lua

  #enter(k: Keys, member: string, ms: number): void {
    this.data.zadd(k.waiters, this.#now + ms, member);
    this.data.pexpire(k.waiters, WAITERS_MS);
  }

  #tell(k: Keys, id: string, owner: string): boolean {
    return this.#options.publish(`holdfast.wake:${id}`, `${owner}|${k.hold}`) > 0 || !this.#isCounted;
  }

  #dropExpired(k: Keys): void {
    for (const [member, score] of this.data.zrange(k.waiters)) {
      if (score > this.#now) return;
      this.data.zrem(k.waiters, member);
      if (member.startsWith('r')) this.data.zrem(k.waiters, `f${/:([0-9a-f]+)$/.exec(member)?.[1]}`);
    }
  }

  #liveHead(k: Keys): (Waiter & { readonly owner: string }) | null {
    for (const [member, score] of this.data.zrange(k.waiters)) {
      if (score < QUEUE) continue;
      const [, owner = '', id = '', mode = '', permits, limit] = /^(.*):([0-9a-f]+):(\w):(\d+):(\d+)$/.exec(member) ?? [];
      if (this.data.zscore(k.waiters, `f${id}`) !== null)
        return { member, owner, id, mode, permits: Number(permits), limit: Number(limit), expiry: score };
      this.data.zrem(k.waiters, member);
    }
    return null;
  }

  #plainWaiters(k: Keys): { readonly readers: readonly Waiter[]; readonly others: readonly Waiter[]; readonly isTurn: boolean } {
    const readers: Waiter[] = [];
    const others: Waiter[] = [];
    let isTurn = false;
    for (const [member, expiry] of this.data.zrange(k.waiters)) {
      if (expiry <= this.#now || expiry > QUEUE) continue;
      const [, id, mode = '', permits, limit] = /^p([0-9a-f]+):(\w):(\d+):(\d+)$/.exec(member) ?? [];
      if (id !== undefined)
        (mode === 'r' ? readers : others).push({ member, id, mode, permits: Number(permits), limit: Number(limit), expiry });
      else if (member === 't') isTurn = true;
    }
    return { readers, others, isTurn };
  }

  #writersWaitFor(k: Keys): number {
    const { others, isTurn } = this.#plainWaiters(k);
    return isTurn ? 0 : Math.max(0, ...others.map(({ expiry }) => expiry - this.#now - (PLAIN_MS - INTENT_MS)));
  }

  #wake(k: Keys, list: readonly Waiter[], most: number): number {
    let woken = 0;
    for (const { member, id, mode } of list) {
      if (woken === most) break;
      if (!this.#tell(k, id, '')) continue;
      if (mode !== 'w') this.data.zrem(k.waiters, member);
      woken += 1;
    }
    return woken;
  }

  #wakePlain(k: Keys, freed: string | null): void {
    const { readers, others, isTurn } = this.#plainWaiters(k);
    const first = others[0] ?? readers[0];
    if (first === undefined) return;
    if (first.mode === 'p') {
      let used = this.data.zcard(k.set ?? '');
      for (const waiter of others) if (used + waiter.permits <= waiter.limit && this.#wake(k, [waiter], 1) === 1) used += waiter.permits;
    } else if (this.data.exists(k.hold)) {
      return;
    } else if (first.mode === 'x') {
      this.#wake(k, others, 1);
    } else if (readers.length > 0 && (isTurn || freed === 'w' || others.length === 0)) {
      if (others.length > 0 && !isTurn) this.#enter(k, 't', TURN_MS);
      this.#wake(k, readers, -1);
    } else if (this.data.zcard(k.set ?? '') === 0 && this.#wake(k, others, 1) === 0) {
      this.#wake(k, readers, -1);
    }
  }

  #handOn(k: Keys, freed: string | null): void {
    if (!this.data.exists(k.waiters) || !this.#rules.handsOn) return;
    this.#sweep(k);
    this.#dropExpired(k);
    for (;;) {
      const head = this.#liveHead(k);
      if (head === null) return this.#wakePlain(k, freed);
      if (!this.#fits(k, head.mode, head.permits, head.limit)) return;
      this.#place(k, head.mode, head.owner, head.permits, RESERVED_MS, '0', '');
      this.data.zrem(k.waiters, head.member);
      this.#enter(k, `r${head.owner}:${head.id}`, RESERVED_MS);
      this.#tell(k, head.id, head.owner);
    }
  }

  #leave(k: Keys, owner: string, member: string, isLast: boolean): void {
    if (!this.data.exists(k.waiters)) return;
    this.data.zrem(k.waiters, `r${owner}:${this.#manager}`, member, isLast ? `f${this.#manager}` : '');
  }
}

function keysOf(mode: string, keys: readonly string[], at: number): Keys {
  const [first = '', second = '', third = '', fourth = ''] = keys.slice(at, at + 4);
  if ((mode as ModeLetter) === 'x') return { hold: first, set: null, info: '', waiters: second };
  if (mode === 'p') return { hold: first, set: first, info: second, waiters: third };
  return { hold: first, set: second, info: third, waiters: fourth };
}

function ownerOf(member: string): string {
  const end = member.indexOf(':');
  return end < 0 ? member : member.slice(0, end);
}
