import type { ModeLetter } from '../../src/key-space.js';
import { RedisData } from './redis-data.js';

const [WAITERS_MS, ALIVE_MS, PROVISIONAL_MS, GUARD_MS, TURN_MS] = [3_000, 1_500, 1_800, 180, 100];
const LEAST_TTL_MS = 2_200;
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
  /** Whether what is handed on within a manager gets a token of its own. */
  readonly drawsFenceAnew: boolean;
  /** Whether a waiter hears of what was freed. */
  readonly handsOn: boolean;
  /** Whether a reader looks at the writer's key. */
  readonly looksAtWriter: boolean;
  /** Whether what the head of the queue was granted lasts as long as the head believes. */
  readonly keepsProvisional: boolean;
}

export const realRules: ScriptRules = {
  checksDeadline: 'all',
  checksOwner: true,
  neverShortens: true,
  remembersFence: true,
  drawsFenceAnew: true,
  handsOn: true,
  looksAtWriter: true,
  keepsProvisional: true,
};

export interface RedisModelOptions {
  /** Microseconds of the server's wall clock. */
  readonly micros: () => number;
  readonly publish: (channel: string, text: string) => void;
  readonly rules?: ScriptRules;
}

/** The keys of one name; see hold.lua. */
interface Keys {
  readonly hold: string;
  readonly set: string | null;
  readonly info: string;
  readonly waiters: string;
  readonly fence: string;
}

interface Place {
  readonly member: string;
  readonly owner: string;
  readonly ticket: string;
  readonly id: string;
  readonly mode: string;
  readonly permits: number;
  readonly limit: number;
  readonly label: string;
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
      case 'handOver':
        return this.#late(args, true) ?? this.#handOver(keys, args.slice(3));
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
      const [, mode = 'x', owner = '', ttl = '', rest = ''] = /^(\S) (\S+) (\d+) ([^]*)$/.exec(request) ?? [];
      const k = keysOf(mode, keys, at);
      at += keyCount(mode);
      const [, permits, limit, label = ''] = mode === 'p' ? (/^(\d+) (\d+) ([^]*)$/.exec(rest) ?? []) : ['', '1', '1', rest];
      return { k, mode, owner, ttl: Number(ttl), label, permits: Number(permits), limit: Number(limit) };
    });
    // Locks that are free and for which nobody waits share one fence.
    const areFree = asked.every(({ mode, k }) => mode === 'x' && !data.exists(k.hold, k.waiters));
    const shared = areFree ? this.#nextFenceOfAll(asked.map(({ k }) => k.fence)) : null;
    const replies = asked.map(({ k, mode, owner, ttl, label, permits, limit }): Attempt => {
      if (shared !== null && !data.exists(k.hold)) {
        this.#place(k, mode, owner, permits, ttl, shared, label, limit);
        return shared;
      }
      const reply = this.#try(k, mode, owner, ttl, label, permits, limit);
      if (typeof reply !== 'number' && (mode === 'r' || mode === 'p')) this.#handOn(k);
      return mode === 'p' ? this.#withLimits(k, reply, limit) : reply;
    });
    return [...replies, this.#now];
  }

  #enqueue(keys: readonly string[], args: readonly string[]): Reply {
    const [mode = 'x', owner = '', ttl, member = '', former = '', isOnly] = args;
    const k = keysOf(mode, keys, 0);
    const own = placeOf(member);
    if (own === null) throw new Error(`no place: ${member}`);
    const known = this.data.zscore(k.waiters, `f${this.#manager}`) === null ? 0 : 1;
    this.#enter(k, `f${this.#manager}`, ALIVE_MS);
    let score = former;
    let reply: Attempt | null = this.#again(k, mode, owner, Number(ttl));
    if (reply === null) {
      if (former === '') score = String(Math.max(this.#micros, (this.data.zrange(k.waiters).at(-1)?.[1] ?? 0) + 1));
      this.data.zadd(k.waiters, Number(score), member);
      this.#dropExpired(k);
      const head = this.#liveHead(k);
      if (head?.member === member && this.#fits(k, mode, own.permits, own.limit)) {
        reply = this.#grant(k, mode, owner, Number(ttl), own.label, own.permits, own.limit);
      } else {
        this.#handOn(k);
        reply = this.#busy(k, mode, own.permits, own.limit);
      }
    }
    const told = mode === 'p' ? this.#withLimits(k, reply, own.limit) : reply;
    if (typeof reply === 'number') return [[told, score, known, this.#now], this.#now];
    this.#leave(k, owner, member, isOnly === '1');
    this.#handOn(k);
    return [[told, '', 1, this.#now], this.#now];
  }

  #renew(keys: readonly string[], holds: readonly string[]): Reply {
    let at = 0;
    const replies = holds.map((hold) => {
      const [mode = 'x', owner = '', ttl] = hold.split(' ');
      const isOne = mode === 'x' || mode === 'w';
      const [first = '', second = ''] = keys.slice(at, at + 2);
      at += isOne ? 1 : 2;
      const k = isOne
        ? { hold: first, set: null, info: '', waiters: '', fence: '' }
        : { hold: '', set: first, info: second, waiters: '', fence: '' };
      return this.#prolong(k, mode, owner, Number(ttl));
    });
    return [...replies, this.#now];
  }

  #refresh(keys: readonly string[], names: readonly string[]): Reply {
    let at = 0;
    const replies = names.map((name) => {
      const [mode = 'x', count, ms] = name.split(' ');
      const k = keysOf(mode, keys, at);
      at += keyCount(mode);
      const line = count === undefined ? null : `n${this.#manager}:${count}:${this.#now - Number(ms)}`;
      this.#forgetLine(k, line);
      if (line !== null) this.#enter(k, line, ALIVE_MS);
      const isKnown = this.data.zscore(k.waiters, `f${this.#manager}`) !== null;
      if (isKnown) this.#enter(k, `f${this.#manager}`, ALIVE_MS);
      this.#handOn(k);
      if (!isKnown) return 0;
      const granted = this.#provisional(k).flatMap(({ owner, id }) => (id === this.#manager ? [owner] : []));
      return `${this.#now} ${this.#soonest(k)} ${granted.join(',')}`;
    });
    return [...replies, this.#now];
  }

  /** Those that were granted and have not confirmed, in the order of the set. */
  #provisional(k: Keys): readonly { readonly member: string; readonly owner: string; readonly id: string }[] {
    return this.data.zrange(k.waiters).flatMap(([member, score]) => {
      const [, owner, id] = /^g(.*):([0-9a-f]+)$/.exec(member) ?? [];
      return score > this.#now && score < QUEUE && owner !== undefined && id !== undefined ? [{ member, owner, id }] : [];
    });
  }

  #soonest(k: Keys): number {
    const left = k.hold === k.set ? -1 : this.data.pttl(k.hold);
    const first = k.set === null ? undefined : this.data.zrange(k.set)[0];
    if (first !== undefined && (left < 0 || first[1] - this.#now < left)) return Math.max(0, first[1] - this.#now);
    return Math.max(-1, left);
  }

  #release(keys: readonly string[], holds: readonly string[]): Reply {
    let at = 0;
    const replies = holds.map((hold) => {
      const [, mode = 'x', owner = '', last, member = ''] = /^(\S) (\S+) (\d) ([^]*)$/.exec(hold) ?? [];
      const k = keysOf(mode, keys, at);
      at += keyCount(mode);
      const reply = this.#drop(k, mode, owner);
      this.#leave(k, owner, member, last === '1');
      this.#handOn(k);
      return reply;
    });
    return [...replies, this.#now];
  }

  #handOver(keys: readonly string[], [text = '', member = '']: readonly string[]): Reply {
    const [, mode = 'x', owner = '', last, nextMode = 'x', nextOwner = '', ttl, label = ''] =
      /^(\S) (\S+) ([01]) (\S) (\S+) (\d+) ([^]*)$/.exec(text) ?? [];
    const k = keysOf(mode, keys, 0);
    this.#sweep(k);
    const known = this.#found(k, nextMode, nextOwner);
    if (known !== null) {
      this.#prolong(k, nextMode, nextOwner, Number(ttl));
      return [known.fence, this.#now];
    }
    const held = this.#found(k, mode, owner);
    const isAlone = mode === 'x' && nextMode === 'x' && owner !== nextOwner && member === '' && last === '0';
    const hasQueue = this.data.zrange(k.waiters).some(([, score]) => score >= QUEUE);
    if (isAlone && !hasQueue) this.data.zrem(k.waiters, `t${this.#manager}`);
    const goesOn = held !== null && held.fence !== '0' && ((isAlone && !hasQueue) || this.#mayGoOn(k));
    const fence = !goesOn ? null : this.#rules.drawsFenceAnew ? this.#nextFence(k.fence) : held.fence;
    const wasOurs = this.#drop(k, mode, owner) === 1;
    if (fence !== null) this.#place(k, nextMode, nextOwner, 1, Number(ttl), fence, label, 1);
    this.#leave(k, owner, member, last === '1');
    if (fence === null || nextMode === 'r') this.#handOn(k);
    return [fence ?? (wasOurs ? -1 : -2), this.#now];
  }

  #mayGoOn(k: Keys): boolean {
    const { data } = this;
    if (!data.exists(k.waiters)) return true;
    const turn = `t${this.#manager}`;
    this.#dropExpired(k);
    this.#liveHead(k);
    const others = data.zrange(k.waiters).some(([member, score]) => {
      const place = score < QUEUE ? null : placeOf(member);
      return place !== null && place.id !== this.#manager && data.zscore(k.waiters, `f${place.id}`) !== null;
    });
    if (!others) {
      data.zrem(k.waiters, turn);
      return true;
    }
    const ends = data.zscore(k.waiters, turn);
    if (ends === null) data.zadd(k.waiters, this.#now + TURN_MS, turn);
    else if (ends <= this.#now) {
      data.zrem(k.waiters, turn);
      return false;
    }
    return true;
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
    for (const { member } of this.#provisional(k)) data.zrem(k.waiters, member);
    this.#handOn(k);
    return [freed, this.#now];
  }

  #inspect(keys: readonly string[], [mode = 'x']: readonly string[]): Reply {
    const { data } = this;
    const k = keysOf(mode, keys, 0);
    const reply: unknown[] = this.#waiting(k);
    const add = (held: string, rest: string, left: number): void => {
      const [fence = ''] = /^\d+/.exec(rest) ?? [];
      const isTime = fence.length === String(this.#micros).length;
      reply.push(held, rest, left, isTime ? Math.max(0, Math.floor(this.#now - Number(fence) / 1000)) : -1);
    };
    if (mode !== 'p') {
      const held = data.get(k.hold);
      const rest = /^[0-9a-f]{32}:(\d+:[^]*)$/.exec(held ?? '')?.[1];
      if (held !== null && rest === undefined) add('x', '', data.pttl(k.hold));
      else if (rest !== undefined && !rest.startsWith('0:')) add(mode === 'x' ? 'x' : 'w', rest, data.pttl(k.hold));
    }
    if (k.set !== null) {
      const seen = new Set<string>();
      for (const [member, score] of data.zrange(k.set)) {
        const owner = ownerOf(member);
        if (score <= this.#now || seen.has(owner)) continue;
        seen.add(owner);
        const entry = data.hget(k.info, owner);
        if (entry !== null && !entry.startsWith('0:')) add(mode === 'p' ? 'p' : 'r', entry, Math.max(0, score - this.#now));
      }
    }
    return [reply, this.#now];
  }

  /** How many wait, and for how long the first of them has. */
  #waiting(k: Keys): [number, number] {
    const counts = new Map<string, number>();
    let first = this.#now;
    const add = (id: string, count: number, since: number): void => {
      counts.set(id, Math.max(count, counts.get(id) ?? 0));
      first = Math.min(first, since);
    };
    const members = this.data.zrange(k.waiters);
    for (const [member, score] of members) {
      const place = score < QUEUE ? null : placeOf(member);
      const alive = place === null ? null : this.data.zscore(k.waiters, `f${place.id}`);
      if (place !== null && alive !== null && alive > this.#now) add(place.id, (counts.get(place.id) ?? 0) + 1, score / 1000);
    }
    for (const [member, score] of members) {
      const [, id, count, since] = score > this.#now && score < QUEUE ? (/^n([0-9a-f]+):(\d+):(\d+)$/.exec(member) ?? []) : [];
      if (id !== undefined) add(id, Number(count), Number(since));
    }
    const total = [...counts.values()].reduce((sum, count) => sum + count, 0);
    return [total, total > 0 ? Math.floor(this.#now - first) : -1];
  }

  // --- hold.lua, grant.lua, fence.lua

  #try(k: Keys, mode: string, owner: string, ttl: number, label: string, permits: number, limit: number): Attempt {
    const held = this.#again(k, mode, owner, ttl);
    if (held !== null) return held;
    if (this.#found(k, mode, owner) === null) {
      if (this.data.exists(k.waiters)) {
        this.#dropExpired(k);
        if (this.#liveHead(k) !== null) {
          this.#handOn(k);
          return this.#busy(k, mode, permits, limit);
        }
      }
      if (!this.#fits(k, mode, permits, limit)) return this.#busy(k, mode, permits, limit);
    }
    return this.#grant(k, mode, owner, ttl, label, permits, limit);
  }

  #again(k: Keys, mode: string, owner: string, ttl: number): string | null {
    this.#sweep(k);
    const known = this.#found(k, mode, owner);
    if (known === null || known.fence === '0') return null;
    if (ttl >= LEAST_TTL_MS || this.data.zscore(k.waiters, `g${owner}:${this.#manager}`) === null) this.#prolong(k, mode, owner, ttl);
    else if (mode === 'x' || mode === 'w') this.data.pexpire(k.hold, ttl);
    else this.#mark(k, mode, owner, known.permits, ttl);
    this.#leave(k, owner, '', false);
    return mode === 'p' ? '0' : known.fence;
  }

  #grant(k: Keys, mode: string, owner: string, ttl: number, label: string, permits: number, limit: number): string {
    const fence = mode === 'p' ? String(this.#micros) : this.#nextFence(k.fence);
    this.#place(k, mode, owner, permits, ttl, fence, label, limit);
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

  #withLimits(k: Keys, reply: Attempt, limit: number): Attempt {
    const last = this.data.zrange(k.set ?? '').slice(-8);
    for (const owner of new Set(last.map(([member]) => ownerOf(member)))) {
      const [, other] = /^\d+:\d+\/(\d+):/.exec(this.data.hget(k.info, owner) ?? '') ?? [];
      if (other !== undefined && Number(other) !== limit) return `${reply} ${limit} ${other}`;
    }
    return reply;
  }

  #place(k: Keys, mode: string, owner: string, permits: number, ttl: number, fence: string, label: string, limit: number): void {
    if (mode === 'x' || mode === 'w') {
      this.data.set(k.hold, `${owner}:${fence}:${label}`, ttl);
    } else {
      this.data.hset(k.info, owner, `${fence}:${mode === 'p' ? `${permits}/${limit}` : permits}:${label}`);
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
    const [, fence, permits] = /^(\d+):(\d+)/.exec(this.data.hget(k.info, owner) ?? '') ?? [];
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

  #stands(k: Keys, owner: string): boolean {
    if (k.set !== null && this.data.hget(k.info, owner) !== null) return true;
    return this.data.get(k.hold)?.startsWith(`${owner}:`) === true;
  }

  #dropExpired(k: Keys): void {
    for (const [member, score] of this.data.zrange(k.waiters)) {
      if (score > this.#now) return;
      if (!member.startsWith('t')) this.data.zrem(k.waiters, member);
      const [, owner, id] = /^g(.*):([0-9a-f]+)$/.exec(member) ?? [];
      if (owner !== undefined && !this.#stands(k, owner)) this.data.zrem(k.waiters, `f${id}`);
    }
  }

  #liveHead(k: Keys): (Place & { readonly seen: number }) | null {
    for (const [member, score] of this.data.zrange(k.waiters)) {
      if (score < QUEUE) continue;
      const place = placeOf(member);
      const alive = place === null ? null : this.data.zscore(k.waiters, `f${place.id}`);
      if (place !== null && alive !== null) return { ...place, seen: alive - ALIVE_MS };
      this.data.zrem(k.waiters, member);
    }
    return null;
  }

  #handOn(k: Keys): void {
    const { handsOn, keepsProvisional } = this.#rules;
    if (!this.data.exists(k.waiters) || !handsOn) return;
    this.#sweep(k);
    this.#dropExpired(k);
    for (;;) {
      const head = this.#liveHead(k);
      if (head === null || !this.#fits(k, head.mode, head.permits, head.limit)) return;
      const fence = head.mode === 'p' ? String(this.#micros) : this.#nextFence(k.fence);
      const ends = keepsProvisional ? head.seen + PROVISIONAL_MS + GUARD_MS : this.#now + 100;
      this.#place(k, head.mode, head.owner, head.permits, ends - this.#now, fence, head.label, head.limit);
      this.data.zrem(k.waiters, head.member, `t${this.#manager}`);
      this.data.zadd(k.waiters, ends, `g${head.owner}:${head.id}`);
      this.#options.publish(`holdfast.wake:${head.id}`, `${head.ticket}|${fence}|${head.seen}`);
    }
  }

  #leave(k: Keys, owner: string, member: string, isLast: boolean): void {
    if (!this.data.exists(k.waiters)) return;
    this.data.zrem(k.waiters, `g${owner}:${this.#manager}`, member, isLast ? `f${this.#manager}` : '');
    if (isLast) this.#forgetLine(k, null);
  }

  #forgetLine(k: Keys, current: string | null): void {
    for (const [member, score] of this.data.zrange(k.waiters)) {
      if (score > this.#now && score < QUEUE && member !== current && member.startsWith(`n${this.#manager}:`))
        this.data.zrem(k.waiters, member);
    }
  }
}

function keysOf(mode: string, keys: readonly string[], at: number): Keys {
  const [first = '', second = '', third = '', fourth = '', fifth = ''] = keys.slice(at, at + 5);
  if ((mode as ModeLetter) === 'x') return { hold: first, set: null, info: '', waiters: second, fence: third };
  if (mode === 'p') return { hold: first, set: first, info: second, waiters: third, fence: '' };
  return { hold: first, set: second, info: third, waiters: fourth, fence: fifth };
}

function keyCount(mode: string): number {
  return mode === 'x' || mode === 'p' ? 3 : 5;
}

function placeOf(member: string): Place | null {
  const [, owner, ticket = '', id = '', mode = '', permits, limit, label = ''] =
    /^([^:]*):([0-9a-f]+):([0-9a-f]+):(\w):(\d+):(\d+):([^]*)$/.exec(member) ?? [];
  return owner === undefined ? null : { member, owner, ticket, id, mode, permits: Number(permits), limit: Number(limit), label };
}

function ownerOf(member: string): string {
  const end = member.indexOf(':');
  return end < 0 ? member : member.slice(0, end);
}
