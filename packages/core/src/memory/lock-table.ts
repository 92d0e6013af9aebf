import { addTo, removeFrom } from '../groups.js';
import type { Answer, Clock, FencingToken, HoldRef, HoldRequest, LockKind, LockState } from '../index.js';
import { kindOf } from '../kind-of.js';
import { type ClientLine, LockEntry, type Waiter, type Watcher } from './lock-entry.js';
import { MarkTable } from './mark-table.js';
import { permitsOf } from './occupancy.js';

// Entries looked at for expired holds with each request: with two, what nobody asks for again is dropped
// faster than new names can come, and no name needs a timer.
const SWEPT_PER_REQUEST = 2;

/**
 * The data of a store and its rules. Every method is one indivisible step, as a script in a real store is.
 *
 * Holds expire by the monotonic reading of the store's clock: a wall clock that is set forward would end a hold
 * before its holder's deadline. An expired hold is dropped when its name is next looked at; one timer, for the
 * earliest expiry that somebody waits for, serves the rest.
 */
export class LockTable {
  readonly clock: Clock;
  readonly marks: MarkTable;
  readonly #entries = new Map<string, LockEntry>();
  readonly #awaited = new Set<LockEntry>();
  /** By kind and name. */
  readonly #lines = new Map<string, Set<ClientLine>>();
  #sweep = this.#entries.values();
  #timer: { readonly at: number; cancel(): void } | null = null;
  // One counter for all names rises over expiry and forced release and leaves nothing behind per name. It starts at
  // the clock's microseconds, so that tokens also rise over a restart of the process, and towards other backends' tokens.
  #lastToken: bigint;

  constructor(clock: Clock) {
    this.clock = clock;
    this.marks = new MarkTable(clock);
    this.#lastToken = BigInt(Math.floor(clock.wall() * 1000));
  }

  /** How many names are held or awaited. */
  get size(): number {
    for (const entry of this.#entries.values()) this.#expire(entry);
    return this.#entries.size;
  }

  /** How many names take up memory, those with expired holds included. */
  get retained(): number {
    return this.#entries.size;
  }

  attempt(client: object, request: HoldRequest): Answer<bigint> {
    this.#sweepSome();
    const entry = this.#open(request.name, kindOf(request.mode));
    entry.answerWakes(client);
    const isGranted = entry.holdOf(request.owner) !== undefined || entry.admits(client, request);
    const answer: Answer<bigint> = isGranted
      ? { granted: true, fencingToken: this.#grant(entry, request) }
      : { granted: false, remainingMs: entry.msUntilFit(request, this.clock.now()) };
    this.#settle(entry);
    return answer;
  }

  renew(hold: HoldRef & { readonly ttlMs: number }): boolean {
    const entry = this.#find(hold.name, kindOf(hold.mode));
    const record = entry?.holdOf(hold.owner);
    if (record === undefined) return false;
    record.expiresAt = Math.max(record.expiresAt, this.clock.now() + hold.ttlMs);
    return true;
  }

  /** Whether the hold of this owner is what the request says, and was granted with this token. */
  isGranted(request: HoldRequest, fencingToken: FencingToken): boolean {
    const record = this.#find(request.name, kindOf(request.mode))?.holdOf(request.owner);
    if (record === undefined || record.request.mode !== request.mode) return false;
    return permitsOf(record.request) === permitsOf(request) && (request.mode === 'permits' || record.fencingToken === fencingToken);
  }

  release(hold: HoldRef): boolean {
    const entry = this.#find(hold.name, kindOf(hold.mode));
    if (entry === undefined) return false;
    entry.dismiss(hold.owner);
    const dropped = entry.drop(hold.owner);
    this.#settle(entry);
    return dropped;
  }

  /** Puts the waiter at the end of the queue, and serves it at once if nobody stands before it. */
  enqueue(waiter: Waiter): void {
    this.#sweepSome();
    const { request } = waiter;
    const entry = this.#open(request.name, kindOf(request.mode));
    if (entry.holdOf(request.owner) === undefined) entry.enqueue(waiter);
    else waiter.handOver(() => this.#grant(entry, request));
    this.#settle(entry);
  }

  withdraw(waiter: Waiter): void {
    const entry = this.#find(waiter.request.name, kindOf(waiter.request.mode));
    if (entry?.withdraw(waiter)) this.#settle(entry);
  }

  watch(watcher: Watcher): void {
    const entry = this.#open(watcher.request.name, kindOf(watcher.request.mode));
    entry.watch(watcher);
    this.#keepTime(entry);
  }

  unwatch(watcher: Watcher): void {
    const entry = this.#find(watcher.request.name, kindOf(watcher.request.mode));
    if (entry?.unwatch(watcher)) this.#settle(entry);
  }

  /** A client says how many of its own wait for the name. */
  announce(name: string, kind: LockKind, line: ClientLine): void {
    addTo(this.#lines, `${kind}:${name}`, line);
  }

  unannounce(name: string, kind: LockKind, line: ClientLine): void {
    removeFrom(this.#lines, `${kind}:${name}`, line);
  }

  /** Another limit than the request's by which permits of the name are held; null when there is none. */
  otherLimit(request: HoldRequest): number | null {
    return this.#find(request.name, kindOf(request.mode))?.otherLimit(request) ?? null;
  }

  inspect(name: string, kind: LockKind): LockState {
    return this.#stateOf(this.#find(name, kind) ?? new LockEntry(name, kind));
  }

  /** What is held, in pages of so many, as it stands when each page is asked for. The last page is shorter, and may be empty. */
  *list(prefix: string, size: number): Generator<readonly LockState[], void> {
    let page: LockState[] = [];
    // Of the names that are there now: one that is freed and taken again meanwhile would come a second time.
    for (const { name, kind } of [...this.#entries.values()]) {
      if (!name.startsWith(prefix)) continue;
      const entry = this.#find(name, kind);
      if (entry?.isHeld !== true) continue;
      page.push(this.#stateOf(entry));
      if (page.length < size) continue;
      yield page;
      page = [];
    }
    yield page;
  }

  forceRelease(name: string, kind: LockKind): boolean {
    const entry = this.#find(name, kind);
    if (entry === undefined) return false;
    const dropped = entry.dropAll();
    this.#settle(entry);
    return dropped > 0;
  }

  /** Forgets every hold and mark; who waits, waits on. */
  deleteAll(): number {
    let dropped = this.marks.deleteAll();
    for (const entry of this.#entries.values()) {
      dropped += entry.dropAll();
      this.#settle(entry);
    }
    return dropped;
  }

  #stateOf(entry: LockEntry): LockState {
    return entry.state(this.clock.now(), [...(this.#lines.get(`${entry.kind}:${entry.name}`) ?? [])]);
  }

  #find(name: string, kind: LockKind): LockEntry | undefined {
    const entry = this.#entries.get(`${kind}:${name}`);
    if (entry !== undefined) this.#expire(entry);
    return entry;
  }

  #open(name: string, kind: LockKind): LockEntry {
    const found = this.#find(name, kind);
    // What expired may have been the last of it, and the entry is then no longer in the table.
    if (found !== undefined && !found.isEmpty) return found;
    const entry = new LockEntry(name, kind);
    this.#entries.set(`${kind}:${name}`, entry);
    return entry;
  }

  /** Grants. A request that was granted before keeps its token, and gets the time that it asks for now. */
  #grant(entry: LockEntry, request: HoldRequest): bigint {
    const grantedAt = this.clock.now();
    const expiresAt = grantedAt + request.ttlMs;
    const before = entry.holdOf(request.owner);
    if (before !== undefined) {
      before.expiresAt = Math.max(before.expiresAt, expiresAt);
      return before.fencingToken;
    }
    this.#lastToken += 1n;
    entry.add({ request, fencingToken: this.#lastToken, grantedAt, expiresAt });
    return this.#lastToken;
  }

  #expire(entry: LockEntry): void {
    if (entry.expire(this.clock.now())) this.#settle(entry);
  }

  /** After every change of an entry: passes on what is free, forgets the entry when nothing is in it, sets the timer. */
  #settle(entry: LockEntry): void {
    entry.passOn((request) => this.#grant(entry, request));
    if (entry.isEmpty) this.#entries.delete(`${entry.kind}:${entry.name}`);
    this.#keepTime(entry);
  }

  #sweepSome(): void {
    for (let i = 0; i < SWEPT_PER_REQUEST; i += 1) {
      const next = this.#sweep.next();
      if (next.done) {
        this.#sweep = this.#entries.values();
        return;
      }
      this.#expire(next.value);
    }
  }

  #keepTime(entry: LockEntry): void {
    if (entry.isAwaited) {
      this.#awaited.add(entry);
      this.#wakeUpAt(entry.expiryBound);
    } else if (this.#awaited.delete(entry) && this.#awaited.size === 0) {
      this.#timer?.cancel();
      this.#timer = null;
    }
  }

  #wakeUpAt(at: number): void {
    if (at === Number.POSITIVE_INFINITY || (this.#timer !== null && this.#timer.at <= at)) return;
    this.#timer?.cancel();
    const timer = this.clock.setTimer(Math.max(0, Math.ceil(at - this.clock.now())), () => this.#onTimer());
    this.#timer = { at, cancel: () => timer.cancel() };
  }

  #onTimer(): void {
    this.#timer = null;
    for (const entry of this.#awaited) this.#expire(entry);
    // Bounds may be early: a hold was renewed since, or the timer was.
    for (const entry of this.#awaited) this.#wakeUpAt(entry.expiryBound);
  }
}
