import type { HoldRequest } from '@holdfast/core';
import { letterOf } from '@holdfast/redis/connection';
import { KeyLayout } from '../../src/node/key-layout.js';
import type {
  ConfirmRequest,
  Extension,
  ExtendRequest,
  MarkCommand,
  MarkReply,
  NodeMark,
  NodeState,
  NodeStatus,
  ReleaseRequest,
  Unit,
  Vote,
  VoteRequest,
  WaiterNote,
  WaitKey,
} from '../../src/protocol/node.js';

/** What a mutant changes on a node. */
export interface NodeRules {
  readonly quarantine: boolean;
  /** What must stand for a vote to be confirmed or extended. */
  readonly check: 'owner-and-counter' | 'owner' | 'nothing';
  /** Counts the permits of a semaphore instead of voting on its slots. */
  readonly counting: boolean;
}
export const realRules: NodeRules = { quarantine: true, check: 'owner-and-counter', counting: false };

/** What a node has for one owner. */
interface Stand {
  readonly counter: number;
  readonly slots: readonly number[];
  readonly label: string;
  expiry: number;
}
interface Waiter {
  readonly id: string;
  readonly mode: HoldRequest['mode'];
  readonly permits: number;
  readonly limit: number;
  since: number;
  expiry: number;
}
/** One name of one kind. */
interface Place {
  /** x, w */
  hold: { readonly owner: string; readonly stand: Stand } | null;
  /** r, p */
  readonly set: Map<string, Stand>;
  readonly waiters: Map<string, Waiter>;
  /** What managers have noted of those who wait. */
  readonly lines: Map<string, { readonly waiters: number; readonly since: number; readonly until: number }>;
  turnUntil: number;
}

const [WAITS_MS, WOKEN_MS, TURN_MS, RECENT_MS] = [2500, 1000, 100, 100];
const [INTENT_MS, WRITER_POLL_MS] = [1900, 1500];

export interface SimulatedNodeOptions {
  readonly maxTtlMs: number;
  readonly quarantineMs: number;
  readonly hintBoundMicros: number;
  /** Microseconds of the node's clock. */
  readonly clock: () => number;
  /** Whether anybody listens under this id. */
  readonly publish: (id: string, wakeKey: string) => boolean;
  readonly rules?: NodeRules;
}

interface Mark {
  readonly token: string;
  readonly setAt: number;
  readonly expiry: number;
  readonly isKept: boolean;
  readonly label: string;
}

const layout = new KeyLayout('holdfast:');

function toldMark({ token, setAt, expiry, label }: Mark, now: number): NodeMark {
  return { setter: token.slice(0, 8) + token.slice(32), ageMs: now - setAt, remainingMs: expiry - now, label };
}

/** A node in memory: what the scripts do, step for step. Kept to them by a differential test against a real server. */
export class SimulatedNode {
  readonly #options: SimulatedNodeOptions;
  readonly #rules: NodeRules;
  #places = new Map<string, Place>();
  #fences = new Map<string, number>();
  #marks = new Map<string, Mark>();
  #marker: { readonly runId: string; readonly maxTtlMs: number; readonly until: number } | null = null;
  #runs = 1;

  constructor(options: SimulatedNodeOptions) {
    this.#options = options;
    this.#rules = options.rules ?? realRules;
  }

  /** How many votes stand. */
  get standing(): number {
    let count = 0;
    for (const place of this.#places.values()) {
      this.#sweep(place);
      count += (place.hold === null ? 0 : 1) + place.set.size;
    }
    return count;
  }

  /** What a snapshot has on the disk. */
  save(): () => void {
    const [places, fences, marks, marker] = [
      structuredClone(this.#places),
      new Map(this.#fences),
      structuredClone(this.#marks),
      this.#marker,
    ];
    return () => {
      [this.#places, this.#fences, this.#marks, this.#marker] = [structuredClone(places), new Map(fences), structuredClone(marks), marker];
    };
  }

  /** A new process; with what `load` brings back. */
  restart(load: (() => void) | null): void {
    this.#runs += 1;
    this.empty();
    load?.();
  }

  /** FLUSHALL. */
  empty(): void {
    this.#places = new Map();
    this.#fences = new Map();
    this.#marks = new Map();
    this.#marker = null;
  }

  /** Its clock, ms. */
  get nowMs(): number {
    return this.#now;
  }

  acquire(id: string, requests: readonly VoteRequest[]): readonly Vote[] {
    const why = this.#abstains();
    return requests.map((request) => why ?? this.#vote(id, request));
  }

  confirm(requests: readonly ConfirmRequest[]): readonly boolean[] {
    return requests.map(({ unit, counter, token }) => {
      if (!this.#counts(unit, counter)) return false;
      this.#raise(unit, token);
      return true;
    });
  }

  extend(requests: readonly ExtendRequest[]): readonly Extension[] {
    return requests.map((request) => this.#extend(request));
  }

  release(id: string, requests: readonly ReleaseRequest[]): readonly boolean[] {
    return requests.map(({ name, mode, owner, quiet }) => {
      const place = this.#place(name, mode);
      const freed = this.#found(place, mode, owner) !== undefined;
      if (!freed) return false;
      if (isSingle(mode)) place.hold = null;
      else place.set.delete(owner);
      this.#wake(id, place, name, mode, mode, quiet);
      return true;
    });
  }

  withdraw(id: string, { name, mode, permits, limit }: WaitKey): void {
    const place = this.#place(name, mode);
    place.waiters.delete(`${id}:${letterOf[mode]}:${permits}:${limit}`);
    this.#wake(id, place, name, mode, null, false);
  }

  noteWaiters(id: string, notes: readonly WaiterNote[]): void {
    const now = this.#now;
    for (const { name, kind, waiters, oldestWaitMs, validMs } of notes) {
      const { lines } = this.#place(name, kind === 'lock' ? 'exclusive' : kind === 'semaphore' ? 'permits' : 'write');
      if (waiters === 0) lines.delete(id);
      else lines.set(id, { waiters, since: now - Math.round(oldestWaitMs), until: now + validMs });
    }
  }

  mark(name: string, command: MarkCommand): MarkReply {
    const now = this.#now;
    const stands = this.#marks.get(name);
    const present = stands !== undefined && stands.expiry > now ? stands : undefined;
    switch (command.what) {
      case 'set':
      case 'read': {
        const why = this.#abstains();
        if (why !== null) return why;
        let mark = present;
        if (command.what === 'set' && mark === undefined) {
          mark = { token: command.token, setAt: now, expiry: now + command.ms, isKept: false, label: command.label };
          this.#marks.set(name, mark);
        }
        return { kind: 'mark', mark: mark === undefined ? null : toldMark(mark, now) };
      }
      case 'delete':
        this.#marks.delete(name);
        return { kind: 'done', isOwn: present !== undefined };
      case 'keep':
      case 'drop': {
        if (present === undefined || present.token !== command.token) return { kind: 'done', isOwn: false };
        if (!present.isKept && command.what === 'drop') this.#marks.delete(name);
        else if (!present.isKept && command.what === 'keep') this.#marks.set(name, { ...present, expiry: now + command.ms, isKept: true });
        return { kind: 'done', isOwn: true };
      }
    }
  }

  inspect(name: string, mode: 'exclusive' | 'write' | 'permits'): NodeState {
    const place = this.#place(name, mode);
    const now = this.#now;
    const { readers, others } = this.#waiting(place);
    for (const [id, { until }] of place.lines) if (until <= now) place.lines.delete(id);
    const lines = [...place.lines.values()];
    for (const { id, since } of [...readers, ...others]) if (!place.lines.has(id)) lines.push({ waiters: 1, since, until: now });
    const entries: [string, Stand, HoldRequest['mode']][] = [...place.set].map(([owner, stand]) => [
      owner,
      stand,
      mode === 'permits' ? 'permits' : 'read',
    ]);
    if (place.hold !== null) entries.unshift([place.hold.owner, place.hold.stand, mode]);
    return {
      waiters: lines.reduce((sum, { waiters }) => sum + waiters, 0),
      oldestWaitMs: lines.length === 0 ? null : now - Math.min(...lines.map(({ since }) => since)),
      holders: entries.map(([owner, stand, held]) => ({
        mode: held,
        id: owner.slice(0, 16),
        counter: stand.counter,
        permits: held === 'permits' ? stand.slots.length : 1,
        label: stand.label,
        remainingMs: stand.expiry - now,
        heldMs: Math.max(0, now - Math.floor(stand.counter / 1000)),
      })),
    };
  }

  forceRelease(id: string, name: string, mode: 'exclusive' | 'write' | 'permits'): boolean {
    const place = this.#place(name, mode);
    const freed = place.hold !== null || place.set.size > 0;
    place.hold = null;
    place.set.clear();
    this.#wake(id, place, name, mode, mode, false);
    return freed;
  }

  status(command: 'look' | 'greet' | 'open' | 'close'): NodeStatus & { readonly done: boolean } {
    const { maxTtlMs } = this.#options;
    const runId = String(this.#runs);
    let done = false;
    if (command === 'open' && this.#marker === null) {
      this.#marker = { runId, maxTtlMs, until: 0 };
      done = true;
    } else if (command === 'close' && this.#marker?.runId === runId && this.#marker.until === 0) {
      this.#marker = null;
      done = true;
    }
    const marker = this.#marker;
    const quarantineMs = Math.max(0, (marker?.until ?? 0) - this.#now);
    return {
      runId,
      marker: marker === null ? null : { runId: marker.runId, maxTtlMs: marker.maxTtlMs },
      quarantineMs,
      clockMicros: this.#options.clock(),
      brokenFences: 0,
      done,
    };
  }

  get #now(): number {
    return Math.floor(this.#options.clock() / 1000);
  }

  #abstains(): Extract<Vote, { kind: 'abstained' }> | null {
    const { maxTtlMs, quarantineMs } = this.#options;
    if (!this.#rules.quarantine) return null;
    const runId = String(this.#runs);
    if (this.#marker?.runId !== runId) this.#marker = { runId, maxTtlMs, until: this.#now + quarantineMs };
    const left = this.#marker.until - this.#now;
    return left > 0 ? { kind: 'abstained', forMs: left } : null;
  }

  #vote(id: string, { unit, ttlMs, hint, waits, limit }: VoteRequest): Vote {
    const { name, mode, owner, slots } = unit;
    const place = this.#place(name, mode);
    const found = this.#found(place, mode, owner);
    const now = this.#now;
    const taken = (): readonly number[] => this.#taken(place, mode, owner);
    if (found !== undefined) {
      found.expiry = Math.max(found.expiry, now + ttlMs);
      return { kind: 'granted', counter: found.counter, taken: taken() };
    }
    const permits = mode === 'permits' ? slots.length : 1;
    const obstacle = this.#obstacle(place, mode, slots, limit) ?? (mode === 'read' ? this.#intent(place) : null);
    const field = `${id}:${letterOf[mode]}:${permits}:${limit}`;
    if (obstacle !== null) {
      if (waits) {
        const known = place.waiters.get(field);
        const since = known !== undefined && known.expiry > now ? known.since : now;
        place.waiters.set(field, { id, mode, permits, limit, since, expiry: now + WAITS_MS });
      }
      const left = obstacle.remainingMs;
      const isToldSooner = waits && mode === 'write' && (left === null || left > WRITER_POLL_MS);
      return { kind: 'refused', ...obstacle, ...(isToldSooner ? { remainingMs: WRITER_POLL_MS } : {}), taken: taken() };
    }
    const micros = this.#options.clock();
    const bound = this.#options.hintBoundMicros;
    const counter = Math.max(this.#fence(unit) + 1, Math.min(Math.max(hint, micros - bound), micros + bound));
    this.#fences.set(fenceKey(unit), counter);
    this.#put(place, unit, counter, now + ttlMs);
    if (waits) place.waiters.delete(field);
    return { kind: 'granted', counter, taken: taken() };
  }

  #extend({ unit, counter, token, ttlMs, repair }: ExtendRequest): Extension {
    const place = this.#place(unit.name, unit.mode);
    const now = this.#now;
    const found = this.#found(place, unit.mode, unit.owner);
    if (found !== undefined) {
      found.expiry = Math.max(found.expiry, now + ttlMs);
      this.#raise(unit, token);
      return found.counter === counter || this.#rules.check !== 'owner-and-counter' ? 'stands' : { counter: found.counter };
    }
    if (!repair || this.#abstains() !== null || this.#obstacle(place, unit.mode, unit.slots, Number.POSITIVE_INFINITY) !== null)
      return null;
    const fresh = Math.max(this.#fence(unit) + 1, token);
    this.#fences.set(fenceKey(unit), fresh);
    this.#put(place, unit, fresh, now + ttlMs);
    return { counter: fresh };
  }

  /** Whether the vote stands as it was given. */
  #counts({ name, mode, owner }: Unit, counter: number): boolean {
    const found = this.#found(this.#place(name, mode), mode, owner);
    if (this.#rules.check === 'nothing') return true;
    return found !== undefined && (found.counter === counter || this.#rules.check === 'owner');
  }

  #fence(unit: Unit): number {
    return this.#fences.get(fenceKey(unit)) ?? 0;
  }

  #raise(unit: Unit, to: number): void {
    this.#fences.set(fenceKey(unit), Math.max(this.#fence(unit), to));
  }

  #put(place: Place, { mode, owner, slots, label }: Unit, counter: number, expiry: number): void {
    const stand = { counter, slots, label, expiry };
    if (isSingle(mode)) place.hold = { owner, stand };
    else place.set.set(owner, stand);
  }

  #place(name: string, mode: HoldRequest['mode']): Place {
    const key = `${mode === 'read' ? 'write' : mode} ${name}`;
    let place = this.#places.get(key);
    if (place === undefined) {
      place = { hold: null, set: new Map(), waiters: new Map(), lines: new Map(), turnUntil: 0 };
      this.#places.set(key, place);
    }
    this.#sweep(place);
    return place;
  }

  #sweep(place: Place): void {
    const now = this.#now;
    if (place.hold !== null && place.hold.stand.expiry <= now) place.hold = null;
    for (const [owner, { expiry }] of place.set) if (expiry <= now) place.set.delete(owner);
  }

  #found(place: Place, mode: HoldRequest['mode'], owner: string): Stand | undefined {
    if (!isSingle(mode)) return place.set.get(owner);
    return place.hold?.owner === owner ? place.hold.stand : undefined;
  }

  #taken(place: Place, mode: HoldRequest['mode'], owner: string): readonly number[] {
    if (mode !== 'permits') return [];
    return [...place.set].flatMap(([other, { slots }]) => (other === owner ? [] : slots));
  }

  #obstacle(place: Place, mode: HoldRequest['mode'], slots: readonly number[], limit: number): typeof NOBODY_KNOWS | null {
    const now = this.#now;
    const last = (stands: readonly Stand[]): typeof NOBODY_KNOWS | null =>
      stands.length === 0 ? null : { remainingMs: Math.max(...stands.map(({ expiry }) => expiry - now)), holder: null };
    if (mode === 'permits' && this.#rules.counting) {
      const used = [...place.set.values()].reduce((sum, stand) => sum + stand.slots.length, 0);
      return used + slots.length > limit ? last([...place.set.values()]) : null;
    }
    if (mode === 'permits') return last([...place.set.values()].filter((stand) => stand.slots.some((slot) => slots.includes(slot))));
    if (place.hold !== null) return { remainingMs: place.hold.stand.expiry - now, holder: place.hold.owner.slice(0, 8) };
    return mode === 'write' ? last([...place.set.values()]) : null;
  }

  #waiting(place: Place): { readonly readers: readonly Waiter[]; readonly others: readonly Waiter[] } {
    const now = this.#now;
    for (const [field, { expiry }] of place.waiters) if (expiry <= now) place.waiters.delete(field);
    const sorted = [...place.waiters].sort(([f, a], [g, b]) => a.since - b.since || (f < g ? -1 : 1)).map(([, waiter]) => waiter);
    return { readers: sorted.filter(({ mode }) => mode === 'read'), others: sorted.filter(({ mode }) => mode !== 'read') };
  }

  /** What keeps new readers out for the sake of writers that wait. */
  #intent(place: Place): typeof NOBODY_KNOWS | null {
    const now = this.#now;
    if (place.turnUntil > now) return null;
    const longest = Math.max(0, ...this.#waiting(place).others.map(({ expiry }) => expiry - now - (WAITS_MS - INTENT_MS)));
    return longest > 0 ? { remainingMs: longest, holder: null } : null;
  }

  #wake(id: string, place: Place, name: string, mode: HoldRequest['mode'], freed: HoldRequest['mode'] | null, quiet: boolean): void {
    if (place.waiters.size === 0) return;
    const now = this.#now;
    const isRecent = ({ expiry }: Waiter): boolean => !quiet || expiry >= now + WAITS_MS - RECENT_MS;
    const waiting = this.#waiting(place);
    const [readers, others] = [waiting.readers.filter(isRecent), waiting.others.filter(isRecent)];
    const wakeKey = layout.keysOf(name, letterOf[mode])[0];
    const tell = (waiter: Waiter): boolean => {
      if (!this.#options.publish(waiter.id, wakeKey)) {
        place.waiters.delete(`${waiter.id}:${letterOf[waiter.mode]}:${waiter.permits}:${waiter.limit}`);
        return false;
      }
      waiter.expiry = now + Math.min(WOKEN_MS, waiter.expiry - now);
      return true;
    };
    const isTurn = place.turnUntil > now;
    if (mode === 'permits') {
      let used = [...place.set.values()].reduce((sum, stand) => sum + stand.slots.length, 0);
      for (const waiter of behind(id, others, now)) if (used + waiter.permits <= waiter.limit && tell(waiter)) used += waiter.permits;
    } else if (place.hold !== null) {
      return;
    } else if (mode === 'exclusive') {
      others.some(tell);
    } else if (readers.length > 0 && (isTurn || freed === 'write' || others.length === 0)) {
      if (others.length > 0 && !isTurn) place.turnUntil = now + TURN_MS;
      for (const reader of readers) tell(reader);
    } else if (place.set.size === 0 && !others.some(tell)) {
      for (const reader of readers) tell(reader);
    }
  }
}

/** Those of the releasing manager last: they wait anew. */
function behind(id: string, waiters: readonly Waiter[], now: number): readonly Waiter[] {
  const own = waiters.filter((waiter) => waiter.id === id);
  for (const waiter of own) waiter.since = now;
  return [...waiters.filter((waiter) => waiter.id !== id), ...own];
}

const NOBODY_KNOWS: { readonly remainingMs: number | null; readonly holder: string | null } = { remainingMs: null, holder: null };

function isSingle(mode: HoldRequest['mode']): boolean {
  return mode === 'exclusive' || mode === 'write';
}

const fenceKeys = new Map<string, string>();

/** The bucket of the name, as the layout has it. */
function fenceKey({ name, mode }: Unit): string {
  const known = fenceKeys.get(name);
  if (known !== undefined) return known;
  const key = layout.keysOf(name, letterOf[mode]).at(-1) ?? '';
  fenceKeys.set(name, key);
  return key;
}
