import type { HoldRequest, LockKind, LockState, WaitLine } from '../index.js';
import { fits, type Occupancy, permitsOf, plus, vacant } from './occupancy.js';

/** One hold in the store. */
export interface HoldRecord {
  readonly request: HoldRequest;
  readonly fencingToken: bigint;
  readonly grantedAt: number;
  expiresAt: number;
}

/** One who stands in the queue of a name and is handed the hold when its turn comes. */
export interface Waiter {
  readonly request: HoldRequest;
  /** Since when it waits. */
  readonly since: number;
  /** Takes the hold by calling `grant`, once, after it has read its own clock: its deadline counts from before the grant. */
  handOver(grant: () => bigint): void;
  /** Its owner was released while it stood in the queue: there is nothing more to wait for. */
  dismiss(): void;
}

/** One who is notified that it may be worth while to ask again. */
export interface Watcher {
  readonly request: HoldRequest;
  /** Since when it watches. */
  readonly since: number;
  /** Who asks: attempts of this client answer the wake. */
  readonly client: object;
  /** Notified, and not asked since: what it was woken for is reserved for it among the watchers. */
  isWoken: boolean;
  wake(): void;
}

/** The waiters of one client for one name, of whom at most one watches. */
export interface ClientLine {
  readonly client: object;
  readonly line: () => WaitLine;
}

/** One name of one kind: who holds it, who queues for it, who watches it. Times are those of the store's clock. */
export class LockEntry {
  readonly name: string;
  readonly kind: LockKind;
  // Sets and Maps keep the order of insertion, so the first of each is the one that came first. The queue goes by
  // owner: a request that is sent twice stands in it once.
  readonly #holds = new Map<string, HoldRecord>();
  readonly #queue = new Map<string, Waiter[]>();
  readonly #watchers = new Set<Watcher>();
  #taken: Occupancy = vacant;
  /** By limit: how many hold permits by it. */
  readonly #limits = new Map<number, number>();
  #expiryBound = Number.POSITIVE_INFINITY;

  constructor(name: string, kind: LockKind) {
    this.name = name;
    this.kind = kind;
  }

  get isEmpty(): boolean {
    return this.#holds.size === 0 && !this.isAwaited;
  }
  get isHeld(): boolean {
    return this.#holds.size > 0;
  }
  get isAwaited(): boolean {
    return this.#queue.size > 0 || this.#watchers.size > 0;
  }
  /** No hold expires before this; renewals may have moved the first expiry to later. */
  get expiryBound(): number {
    return this.#expiryBound;
  }

  holdOf(owner: string): HoldRecord | undefined {
    return this.#holds.get(owner);
  }

  /** Whether a request that asks once, now, would be granted. */
  admits(client: object, request: HoldRequest): boolean {
    return this.#queue.size === 0 && fits(this.#taken, request) && !(request.mode === 'read' && this.#isBehindWriter(client));
  }

  /** A reader that came after a waiting writer lets it go first: else readers who overlap would keep it out for ever. */
  #isBehindWriter(client: object): boolean {
    for (const watcher of this.#watchers) {
      if (watcher.request.mode === 'write') return true;
      if (watcher.client === client) return false;
    }
    return false;
  }

  add(hold: HoldRecord): void {
    this.#holds.set(hold.request.owner, hold);
    this.#taken = plus(this.#taken, hold.request);
    this.#countLimit(hold.request, 1);
    this.#expiryBound = Math.min(this.#expiryBound, hold.expiresAt);
  }

  drop(owner: string): boolean {
    const hold = this.#holds.get(owner);
    if (hold === undefined) return false;
    this.#holds.delete(owner);
    this.#taken = plus(this.#taken, hold.request, -1);
    this.#countLimit(hold.request, -1);
    if (this.#holds.size === 0) this.#expiryBound = Number.POSITIVE_INFINITY;
    return true;
  }

  /** Drops every hold, and says how many there were. */
  dropAll(): number {
    const { size } = this.#holds;
    this.#holds.clear();
    this.#limits.clear();
    this.#taken = vacant;
    this.#expiryBound = Number.POSITIVE_INFINITY;
    return size;
  }

  /** Drops the holds whose time has come; true when there was one. */
  expire(now: number): boolean {
    if (now < this.#expiryBound) return false;
    const before = this.#holds.size;
    let bound = Number.POSITIVE_INFINITY;
    for (const [owner, hold] of this.#holds) {
      if (hold.expiresAt <= now) this.drop(owner);
      else bound = Math.min(bound, hold.expiresAt);
    }
    this.#expiryBound = bound;
    return this.#holds.size < before;
  }

  /** When the request would fit if nothing but expiry happened; null where no expiry would do. */
  msUntilFit(request: HoldRequest, now: number): number | null {
    let taken = this.#taken;
    for (const hold of [...this.#holds.values()].sort((a, b) => a.expiresAt - b.expiresAt)) {
      taken = plus(taken, hold.request, -1);
      if (fits(taken, request)) return Math.max(0, hold.expiresAt - now);
    }
    return null;
  }

  /** Another limit than the request's by which permits are held; null when there is none. */
  otherLimit(request: HoldRequest): number | null {
    if (request.mode !== 'permits') return null;
    for (const limit of this.#limits.keys()) if (limit !== request.limit) return limit;
    return null;
  }

  #countLimit(request: HoldRequest, change: 1 | -1): void {
    if (request.mode !== 'permits') return;
    const count = (this.#limits.get(request.limit) ?? 0) + change;
    if (count > 0) this.#limits.set(request.limit, count);
    else this.#limits.delete(request.limit);
  }

  enqueue(waiter: Waiter): void {
    const same = this.#queue.get(waiter.request.owner);
    if (same === undefined) this.#queue.set(waiter.request.owner, [waiter]);
    else same.push(waiter);
  }

  withdraw(waiter: Waiter): boolean {
    const same = this.#queue.get(waiter.request.owner);
    if (same === undefined || !same.includes(waiter)) return false;
    if (same.length === 1) this.#queue.delete(waiter.request.owner);
    else same.splice(same.indexOf(waiter), 1);
    return true;
  }

  /** Takes the owner out of the queue. */
  dismiss(owner: string): void {
    const waiters = this.#queue.get(owner) ?? [];
    this.#queue.delete(owner);
    for (const waiter of waiters) waiter.dismiss();
  }

  watch(watcher: Watcher): void {
    this.#watchers.add(watcher);
  }
  unwatch(watcher: Watcher): boolean {
    return this.#watchers.delete(watcher);
  }
  /** The client has asked, so whatever it was woken for is answered. */
  answerWakes(client: object): void {
    for (const watcher of this.#watchers) if (watcher.client === client) watcher.isWoken = false;
  }

  /**
   * Gives what is free to those who wait, first come first served, as many as fit: a hold to those in the queue, a
   * wake to those who watch. Stops at the first that does not fit, so that a large request is not overtaken for ever.
   */
  passOn(grant: (request: HoldRequest) => bigint): void {
    for (const [owner, waiters] of this.#queue) {
      const [first] = waiters;
      if (first !== undefined && !fits(this.#taken, first.request)) return;
      this.#queue.delete(owner);
      for (const waiter of waiters) waiter.handOver(() => grant(waiter.request));
    }
    let taken = this.#taken;
    for (const watcher of this.#watchers) {
      if (!fits(taken, watcher.request)) return;
      taken = plus(taken, watcher.request);
      if (watcher.isWoken) continue;
      watcher.isWoken = true;
      watcher.wake();
    }
  }

  /** @param lines the clients that have said how many of theirs wait */
  state(now: number, lines: readonly ClientLine[]): LockState {
    const told = lines.map(({ line }) => line());
    const alone = [...this.#watchers].filter(({ client }) => !lines.some((each) => each.client === client));
    const queued = [...this.#queue.values()].flatMap(([first]) => (first === undefined ? [] : [first]));
    const waitsMs = [...told.map(({ oldestWaitMs }) => oldestWaitMs), ...[...alone, ...queued].map(({ since }) => now - since)];
    return {
      name: this.name,
      kind: this.kind,
      held: this.isHeld,
      holders: [...this.#holds.values()].map(({ request, expiresAt, grantedAt, fencingToken }) => ({
        label: request.label,
        mode: request.mode,
        permits: permitsOf(request),
        remainingMs: Math.max(0, expiresAt - now),
        fencingToken: request.mode === 'permits' ? null : fencingToken,
        heldMs: now - grantedAt,
      })),
      waiters: queued.length + alone.length + told.reduce((sum, { waiters }) => sum + waiters, 0),
      oldestWaitMs: waitsMs.length === 0 ? null : Math.max(...waitsMs),
    };
  }
}
