import {
  type AcquireOptions,
  type CallContext,
  createLockManager,
  isLockError,
  type Lease,
  type LeaseOptions,
  type LockErrorCode,
  type LockEvent,
  type LockBackend,
  type LockManager,
} from '@holdfast/core';
import { createMemoryBackend } from '@holdfast/core/memory';
import {
  createManualClock,
  createTestMemoryStore,
  type InjectedFault,
  type ManualClock,
  type TestMemoryStore,
} from '@holdfast/core/testing';
import { altered } from './mutants/mutant.js';

const COMMAND_MS = 400;
const UNAVAILABLE_MS = 1_500;
const PERMITS = 3;
const HELD_AT_THE_END_MS = 30;

/** What is taken: a lock, one side of a read/write lock, or some permits. */
type Target =
  | { readonly kind: 'lock'; readonly name: string; readonly mode: 'exclusive'; readonly permits: 1 }
  | { readonly kind: 'read-write'; readonly name: string; readonly mode: 'read' | 'write'; readonly permits: 1 }
  | { readonly kind: 'semaphore'; readonly name: string; readonly mode: 'permits'; readonly permits: number };

/** One manager and its connection. */
interface Client {
  readonly manager: LockManager<bigint>;
  readonly store: TestMemoryStore;
  readonly events: LockEvent[];
  isClosing: boolean;
  isClosed: boolean;
}

interface Held {
  readonly lease: Lease;
  readonly target: Target;
  readonly hasMaxHold: boolean;
  readonly release: () => Promise<unknown>;
}

interface Call {
  readonly what: string;
  readonly dueAt: number;
  isSettled: boolean;
}

/** How those who wait hear of their turn: see `LockBackend`. */
export type Waiting = 'a queue' | 'a queue without stamps' | 'subscriptions' | 'polling';

/** What may happen in a run. */
export interface RandomRunOptions {
  readonly waiting: Waiting;
  readonly steps: number;
  /** Whether requests and replies are lost or late, connections break and clocks jump. */
  readonly faults: boolean;
  /** Whether managers are closed while they are in use. */
  readonly closes: boolean;
}

/**
 * A random history of a few managers on one store, the same for the same seed, and what must be true of every history:
 * no two believe in holds that exclude each other, the store has what is believed in, every call settles in time,
 * fencing tokens rise, each grant ends exactly once, and nothing is left.
 */
export class RandomRun {
  readonly #options: RandomRunOptions;
  readonly #clock: ManualClock;
  readonly #random: () => number;
  readonly #store: TestMemoryStore;
  readonly #isFair: boolean;
  readonly #clients: Client[] = [];
  readonly #all: Client[] = [];
  readonly #held = new Set<Held>();
  readonly #calls = new Set<Call>();
  readonly #aborts: AbortController[] = [];
  readonly #faults: InjectedFault[] = [];
  readonly #stalled: (() => void)[] = [];
  readonly #lastToken = new Map<string, bigint>();
  readonly #wrong: string[] = [];
  readonly #served = new Map<string, number>();
  #taken = 0;
  #tasksUntil = 0;
  #blockedMs = 0;
  #observing = 0;
  #isEnding = false;

  constructor(seed: number, options: RandomRunOptions) {
    this.#options = options;
    this.#isFair = options.waiting.startsWith('a queue');
    this.#clock = createManualClock({ seed });
    // A sequence of its own: how often the managers draw must not change what is done to them.
    this.#random = createManualClock({ seed: seed + 1_000_000 }).random;
    this.#store = createTestMemoryStore({ clock: this.#clock });
    for (let i = 0; i < 2 + (seed % 2); i += 1) this.#open();
  }

  /** @returns what was wrong: nothing, if all is well */
  async run(): Promise<readonly string[]> {
    for (let step = 0; step < this.#options.steps && this.#wrong.length === 0; step += 1) {
      this.#act();
      await this.#pass();
      // A look at a lease tells its loss; at times it is for the manager to find out.
      if (this.#chance(0.6)) this.#look();
      if (this.#chance(0.3)) await this.#compareWithStore();
    }
    await this.#end();
    return this.#wrong;
  }

  #act(): void {
    const { faults, closes } = this.#options;
    const roll = this.#random();
    if (roll < 0.34) this.#take(this.#pick(this.#clients));
    else if (roll < 0.42) this.#tryOnce(this.#pick(this.#clients));
    else if (roll < 0.48) this.#takeSeveral(this.#pick(this.#clients));
    else if (roll < 0.53) this.#runTask(this.#pick(this.#clients));
    else if (roll < 0.71) this.#release();
    else if (roll < 0.76) this.#extend();
    else if (roll < 0.84) this.#aborts.splice(Math.floor(this.#random() * this.#aborts.length), 1)[0]?.abort(new Error('enough'));
    else if (roll < 0.96) {
      if (faults) this.#disturb(this.#pick(this.#clients).store);
    } else if (closes && this.#chance(0.7)) this.#close(this.#pick(this.#clients));
  }

  /** Between two steps nothing passes, or some turns of the microtask queue, or time. */
  async #pass(): Promise<void> {
    const roll = this.#random();
    if (roll < 0.3) return;
    if (roll < 0.6) {
      for (let turns = this.#int(1, 14); turns > 0; turns -= 1) await Promise.resolve();
    } else if (roll < 0.75) await this.#clock.settle();
    else await this.#clock.advance(this.#pick([1, 3, 20, 100, 100, 300, 600]));
  }

  // --- calls

  #take(client: Client, target = this.#target()): void {
    const waitMs = this.#pick([0, 1, 50, COMMAND_MS, 3_000, Infinity, Infinity, Infinity]);
    const options: AcquireOptions = { ...this.#leaseOptions(0.4), waitMs };
    const { manager } = client;
    this.#taken += 1;
    const place = this.#taken;
    const taken: Promise<Lease> =
      target.kind === 'lock'
        ? manager.acquire(target.name, options)
        : target.kind === 'semaphore'
          ? manager.semaphore(target.name, { permits: PERMITS }).acquire({ ...options, permits: target.permits })
          : manager.readWriteLock(target.name)[target.mode].acquire(options);
    this.#follow(`acquire ${textOf(target)}`, taken, waitMs, (lease) => {
      if (waitMs > 0) this.#checkPlace(client, target, place);
      this.#hand(client, target, lease, options, () => lease.release());
    });
  }

  #tryOnce(client: Client): void {
    const target = this.#target();
    const options = this.#leaseOptions(0.2);
    const { manager } = client;
    const tried: Promise<Lease | null> =
      target.kind === 'lock'
        ? manager.tryAcquire(target.name, options)
        : target.kind === 'semaphore'
          ? manager.semaphore(target.name, { permits: PERMITS }).tryAcquire({ ...options, permits: target.permits })
          : manager.readWriteLock(target.name)[target.mode].tryAcquire(options);
    this.#follow(`tryAcquire ${textOf(target)}`, tried, 0, (lease) => {
      if (lease === null) return;
      this.#hand(client, target, lease, options, () => lease.release());
    });
  }

  #takeSeveral(client: Client): void {
    const names = ['a', 'b', 'c'].filter(() => this.#chance(0.6));
    if (names.length === 0) return;
    if (this.#chance(0.5)) {
      const options = { ...this.#leaseOptions(0.4), waitMs: this.#pick([0, 50, 3_000, Infinity]) };
      this.#follow(`acquireAll ${names.join()}`, client.manager.acquireAll(names, options), options.waitMs, (group) => {
        for (const lease of group) this.#hand(client, lockOf(lease.name), lease, options, () => group.release());
      });
    } else {
      const options = this.#leaseOptions(0.2);
      this.#follow(`tryAcquireEach ${names.join()}`, client.manager.tryAcquireEach(names, options), 0, (map) => {
        for (const lease of map.values()) this.#hand(client, lockOf(lease.name), lease, options, () => map.releaseAll());
      });
    }
  }

  #runTask(client: Client): void {
    const target = lockOf(this.#pick(['a', 'b', 'c']));
    const takesMs = this.#pick([0, 10, 500, 2_000]);
    const fails = this.#chance(0.2);
    const options = { ...this.#leaseOptions(0.2), waitMs: 2_000 };
    const run = client.manager.withLock(target.name, options, async (lease) => {
      if (this.#isEnding) return;
      this.#tasksUntil = Math.max(this.#tasksUntil, this.#clock.now() + takesMs);
      const held = this.#hand(client, target, lease, options, () => Promise.resolve());
      await new Promise<void>((resolve) => {
        this.#clock.setTimer(takesMs, resolve);
      });
      this.#look();
      this.#held.delete(held);
      if (fails) throw new Error('the task failed');
    });
    this.#follow(`withLock ${target.name}`, run, 2_000 + takesMs + COMMAND_MS, () => {});
  }

  #release(): void {
    if (this.#held.size === 0) return;
    const held = this.#pick([...this.#held]);
    this.#held.delete(held);
    this.#follow(`release ${textOf(held.target)}`, held.release(), 0, () => {});
  }

  #extend(): void {
    if (this.#held.size === 0) return;
    const { lease, target, hasMaxHold } = this.#pick([...this.#held]);
    const ttlMs = this.#pick([1, 500, 5_000]);
    const until = this.#clock.now() + ttlMs;
    const wall = this.#clock.wall() - this.#clock.now();
    this.#follow(`extend ${textOf(target)}`, lease.extend(ttlMs), 0, () => {
      if (hasMaxHold || wall !== this.#clock.wall() - this.#clock.now()) return;
      if (lease.isHeld && lease.remainingMs < until - this.#clock.now()) {
        this.#complain(`an extension of ${textOf(target)} left ${lease.remainingMs} ms`);
      }
    });
  }

  #close(client: Client): void {
    if (client.isClosing) return;
    client.isClosing = true;
    const drainMs = this.#pick([0, 0, 50, 1_000]);
    this.#follow('close', client.manager.close({ drainMs }), drainMs + 2_000, () => {
      client.isClosed = true;
    });
    this.#clients.splice(this.#clients.indexOf(client), 1);
    this.#open();
  }

  // --- faults

  #disturb(store: TestMemoryStore): void {
    const call = this.#pick([undefined, 'attempt', 'attempt', 'wait', 'renew', 'renew', 'release', 'inspect'] as const);
    const roll = this.#random();
    if (roll < 0.25) this.#faults.push(store.failNext({ call }, { performed: this.#chance(0.5) }));
    else if (roll < 0.75) {
      const stalled = store.stallNext({ call }, { at: this.#chance(0.4) ? 'request' : 'reply' });
      const ms = this.#pick([1, 100, 200, 250, 390, 1_500, Infinity]);
      this.#faults.push(stalled);
      this.#stalled.push(() => stalled.resume());
      if (ms < Infinity) void stalled.reached.then(() => this.#clock.setTimer(ms, () => stalled.resume()));
    } else if (roll < 0.82) store.disconnect({ silent: this.#chance(0.5) });
    else if (roll < 0.92) store.reconnect();
    else if (roll < 0.96) {
      const ms = this.#pick([5, 200, 1_000]);
      this.#blockedMs += ms;
      this.#clock.block(ms);
    } else if (roll < 0.98) this.#clock.suspend(this.#pick([100, 3_000]));
    else this.#clock.jumpWall(this.#pick([-5_000, 700]));
  }

  // --- what must be true

  /** Those that wait are served in the order in which they came: of one manager, or of all where the queue is the store's. */
  #checkPlace(client: Client, { kind, name }: Target, place: number): void {
    // A request that was lost, or came late, has lost its place.
    if (this.#options.faults) return;
    const line = `${this.#isFair ? '' : this.#all.indexOf(client)} ${kind} ${name}`;
    if (place < (this.#served.get(line) ?? 0)) this.#complain(`${kind} ${name}: one that came later was served first`);
    this.#served.set(line, place);
  }

  #hand(client: Client, target: Target, lease: Lease, { maxHoldMs }: LeaseOptions, release: () => Promise<unknown>): Held {
    const held: Held = { lease, target, hasMaxHold: maxHoldMs !== undefined, release };
    this.#held.add(held);
    if (this.#isEnding) this.#later(() => this.#letGo(held));
    const key = `${target.kind} ${target.name}`;
    if (client.isClosed && lease.isHeld) this.#complain(`${key} was granted by a closed manager`);
    if (lease.fencingToken !== null && lease.isHeld) {
      const last = this.#lastToken.get(key) ?? 0n;
      if (lease.fencingToken <= last) this.#complain(`${key} was granted with a token that had been surpassed`);
      if (target.mode !== 'read') this.#lastToken.set(key, lease.fencingToken);
    }
    // A holder that takes it again when it is lost does so in the middle of the manager's own work.
    if (this.#chance(0.2)) {
      lease.signal.addEventListener('abort', () => {
        if (this.#isEnding) return;
        if (this.#chance(0.5)) this.#take(client, target);
        else this.#aborts.pop()?.abort(new Error('lost'));
      });
    }
    this.#look();
    return held;
  }

  /** No two may believe in what excludes each other, and every call must have settled in its time. */
  #look(): void {
    const taken = new Map<string, { writers: number; readers: number; permits: number }>();
    for (const held of this.#held) {
      if (!held.lease.isHeld) continue;
      const key = `${held.target.kind} ${held.target.name}`;
      const sum = taken.get(key) ?? { writers: 0, readers: 0, permits: 0 };
      if (held.target.mode === 'permits') sum.permits += held.target.permits;
      else if (held.target.mode === 'read') sum.readers += 1;
      else sum.writers += 1;
      taken.set(key, sum);
    }
    for (const [key, { writers, readers, permits }] of taken) {
      if (writers > 1 || (writers > 0 && readers > 0) || permits > PERMITS) {
        this.#complain(`${key} has ${writers} writers, ${readers} readers, ${permits} permits at a time`);
      }
    }
    for (const call of this.#calls) {
      if (call.dueAt + this.#blockedMs < this.#clock.now()) this.#complain(`${call.what} has not settled`);
    }
  }

  /** The store must have what is believed in, and keep it for longer. */
  async #compareWithStore(): Promise<void> {
    const onlooker = createMemoryBackend({ store: this.#store.peer() });
    const call: CallContext = { timeoutMs: 1, signal: new AbortController().signal, clock: this.#clock };
    for (const { lease, target } of [...this.#held]) {
      const { remainingMs, fencingToken: token } = lease;
      if (remainingMs === 0) continue;
      // It looks at once, though it answers later.
      const { holders } = await onlooker.inspect(target.name, target.kind, call);
      const same = holders.filter(({ fencingToken, permits }) => fencingToken === token && permits === target.permits);
      const longest = Math.max(-1, ...same.map((holder) => holder.remainingMs ?? 0));
      if (longest < remainingMs)
        this.#complain(`${textOf(target)} is believed in for ${remainingMs} ms, the store keeps it for ${longest}`);
    }
  }

  /** Repairs everything and lets everybody finish. */
  async #end(): Promise<void> {
    this.#isEnding = true;
    for (const fault of this.#faults) fault.cancel();
    for (const resume of this.#stalled) resume();
    for (const { store } of this.#all) store.reconnect();
    for (const held of this.#held) this.#letGo(held);
    // Left in peace, each is woken by the one before it: nobody sleeps through its turn.
    const sleeps = this.#options.faults || this.#options.waiting === 'polling';
    const tasksMs = Math.max(0, this.#tasksUntil - this.#clock.now());
    const end = this.#clock.now() + (sleeps ? 60_000 : tasksMs + (this.#calls.size + 1) * HELD_AT_THE_END_MS);
    while (this.#calls.size > 0 && this.#clock.now() < end) {
      await this.#clock.advance(sleeps ? 500 : HELD_AT_THE_END_MS);
      this.#look();
    }
    for (const { what } of this.#calls) this.#complain(`${what} never settled`);
    await this.#clock.advance(3_000);
    if (!this.#all.some(({ isClosing }) => isClosing) && this.#store.size > 0) this.#complain(`${this.#store.size} names are left`);
    for (const client of this.#clients) this.#close(client);
    for (const client of this.#clients) this.#close(client);
    await this.#clock.advance(15_000);
    if (this.#store.size > 0 || this.#clock.pendingTimers > 0) {
      this.#complain(`left at the end: ${this.#store.size} names, ${this.#clock.pendingTimers} timers`);
    }
    for (const { what } of this.#calls) this.#complain(`${what} never settled`);
    for (const client of this.#all) this.#checkEvents(client);
  }

  /** Each grant is reported once, then its end once. */
  #checkEvents({ events }: Client): void {
    const open = new Map<string, number>();
    for (const event of events) {
      const { type, kind, name } = event;
      if (type !== 'granted' && type !== 'released' && type !== 'lost' && type !== 'release-failed') continue;
      // A release that failed does not say which it was.
      const key = `${kind} ${name}`;
      const count = (open.get(key) ?? 0) + (type === 'granted' ? 1 : -1);
      open.set(key, count);
      if (count < 0) this.#complain(`${key}: an end was reported before its grant`);
    }
    for (const [key, count] of open) if (count > 0) this.#complain(`${key}: the end of a grant was not reported`);
  }

  // --- the rest

  #open(): void {
    const store = this.#store.peer();
    const events: LockEvent[] = [];
    const manager = createLockManager(backendOf(store, this.#options.waiting), {
      clock: this.#clock,
      commandTimeoutMs: COMMAND_MS,
      unavailableAfterMs: UNAVAILABLE_MS,
      onEvent: (event) => {
        events.push(event);
        // An observer may do what everybody may, in the middle of the manager's own work.
        if (this.#isEnding || !this.#chance(0.03)) return;
        this.#observing += 1;
        const roll = this.#random();
        if (roll < 0.5) this.#take(client);
        else if (roll < 0.9) this.#release();
        // Answers of a batch are told one by one: what ends between two of them would end before it was told.
        else if (this.#options.closes && this.#observing === 1 && /lost|waiting|failed/.test(event.type)) this.#close(client);
        this.#observing -= 1;
      },
    });
    const client: Client = { manager, store, events, isClosing: false, isClosed: false };
    this.#clients.push(client);
    this.#all.push(client);
  }

  #follow<T>(what: string, promise: Promise<T>, limitMs: number, then: (value: T) => void): void {
    // What a call may take besides its wait: commands to the store, the look at who has it, and the end of an outage.
    const call: Call = { what, dueAt: this.#clock.now() + limitMs + 3 * COMMAND_MS + UNAVAILABLE_MS, isSettled: false };
    this.#calls.add(call);
    promise.then(
      (value) => {
        this.#calls.delete(call);
        then(value);
      },
      (error: unknown) => {
        this.#calls.delete(call);
        if (!isExpected(error)) this.#complain(`${what} rejected with ${String(error)}`);
      },
    );
  }

  #letGo(held: Held): void {
    if (!this.#held.delete(held)) return;
    this.#follow(`release ${textOf(held.target)}`, held.release(), 0, () => {});
  }

  #later(then: () => void): void {
    this.#clock.setTimer(this.#int(0, HELD_AT_THE_END_MS - 5), then);
  }

  #target(): Target {
    const roll = this.#random();
    if (roll < 0.5) return lockOf(this.#pick(['a', 'a', 'a', 'b', 'c']));
    if (roll < 0.75) return { kind: 'semaphore', name: 'a', mode: 'permits', permits: this.#int(1, PERMITS) };
    return { kind: 'read-write', name: 'a', mode: this.#chance(0.6) ? 'read' : 'write', permits: 1 };
  }

  #leaseOptions(abortable: number): LeaseOptions {
    let signal: AbortSignal | undefined;
    if (this.#chance(abortable)) {
      if (this.#aborts.length === 0 || this.#chance(0.7)) this.#aborts.push(new AbortController());
      signal = this.#pick(this.#aborts).signal;
    }
    return {
      ttlMs: this.#pick([300, 600, 600, 2_000, 10_000]),
      renew: this.#chance(0.7),
      maxHoldMs: this.#chance(0.2) ? 1_500 : undefined,
      signal,
    };
  }

  #complain(what: string): void {
    if (this.#wrong.length < 10) this.#wrong.push(what);
  }

  #chance(probability: number): boolean {
    return this.#random() < probability;
  }

  #int(from: number, to: number): number {
    return from + Math.floor(this.#random() * (to - from + 1));
  }

  #pick<T>(items: readonly T[]): T {
    const item = items[Math.floor(this.#random() * items.length)];
    if (item === undefined) return items[0] as T;
    return item;
  }
}

function backendOf(store: TestMemoryStore, waiting: Waiting): LockBackend<bigint> {
  const memory = createMemoryBackend({ store, fair: waiting.startsWith('a queue') });
  if (waiting === 'a queue' || waiting === 'subscriptions') return memory;
  const { subscribe: _subscribe, ...polling } = altered(memory, {});
  if (waiting === 'polling') return polling as LockBackend<bigint>;
  return altered(memory, {
    async wait(request, call) {
      const { granted = true as const, fencingToken = 0n } = (await memory.wait?.(request, call)) ?? {};
      return { granted, fencingToken };
    },
  }) as LockBackend<bigint>;
}

// LOCK_REENTRY: the one who hears of something in the middle of a task asks as a part of that task.
const expected: readonly LockErrorCode[] = ['LOCK_TIMEOUT', 'LOCK_BACKEND_UNAVAILABLE', 'LOCK_LOST', 'LOCK_CLOSED', 'LOCK_REENTRY'];

function isExpected(error: unknown): boolean {
  if (isLockError(error)) return expected.includes(error.code);
  return error instanceof Error && ['enough', 'lost', 'the task failed'].includes(error.message);
}

function lockOf(name: string): Target {
  return { kind: 'lock', name, mode: 'exclusive', permits: 1 };
}

function textOf({ kind, name, mode, permits }: Target): string {
  return `${kind} ${name} (${mode}${mode === 'permits' ? ` ${permits}` : ''})`;
}
