import { isLockError, type Lease, type LeaseOptions, type PermitLease } from '@holdfast/core';
import { createElection, type Leadership } from '@holdfast/election';
import type { World } from '@holdfast/test/simulation';
import { type Book, type Held, messageOf, textOf } from './book.js';
import { COMMAND_MS, type SimulatedClient } from './client.js';
import type { History } from './history.js';
import { type CallPlan, LIMIT, type Target } from './scenario.js';

/** What a call may take besides its own time: a look at who has it, and the turns of the event loop. */
const SLACK_MS = 50;

/** One promise of the product that has to settle. */
export interface Pending {
  readonly what: string;
  readonly client: SimulatedClient;
  readonly call: CallPlan;
  readonly dueAt: number;
  /** What it waits for, in order; empty where it waits for nothing but the store. */
  readonly waitsFor: readonly Target[];
}

/** Does what the plan of one call says, and holds every answer to the contract. */
export class Caller {
  readonly #world: World;
  readonly #book: Book;
  readonly #history: History;
  readonly #slowestMs: number;
  readonly #pending: Set<Pending>;
  readonly #client: SimulatedClient;
  readonly #call: CallPlan;
  readonly #abort: AbortController | null;
  readonly #options: LeaseOptions;
  #startedAt = 0;

  constructor(
    world: World,
    book: Book,
    history: History,
    slowestMs: number,
    pending: Set<Pending>,
    client: SimulatedClient,
    call: CallPlan,
  ) {
    this.#world = world;
    this.#book = book;
    this.#history = history;
    this.#slowestMs = slowestMs;
    this.#pending = pending;
    this.#client = client;
    this.#call = call;
    this.#abort = call.abortAfterMs === null ? null : new AbortController();
    this.#options = {
      ttlMs: call.ttlMs,
      renew: call.renew,
      label: call.label,
      ...(call.maxHoldMs !== null && { maxHoldMs: call.maxHoldMs }),
      ...(this.#abort !== null && { signal: this.#abort.signal }),
    };
  }

  start(): void {
    const { how, label, targets, ttlMs, renew, waitMs, abortAfterMs } = this.#call;
    this.#startedAt = this.#world.now;
    this.#history.add(
      this.#client.name,
      () =>
        `${label}: ${how} ${targets.map(textOf).join()}, ttl ${ttlMs}${renew ? '' : ' without renewal'}${how === 'try' || how === 'each' ? '' : `, waits ${waitMs}`}`,
    );
    if (abortAfterMs !== null) this.#client.later(abortAfterMs, () => this.#stop());
    if (how === 'acquire') this.#acquire();
    else if (how === 'try') this.#try();
    else if (how === 'task') this.#task();
    else if (how === 'all') this.#all();
    else if (how === 'lead') this.#lead();
    else this.#each();
  }

  // --- ways of taking a hold

  #acquire(): void {
    const { waitMs } = this.#call;
    const { target } = this;
    const options = { ...this.#options, waitMs };
    const { manager } = this.#client;
    const taken: Promise<Lease | PermitLease> =
      target.mode === 'exclusive'
        ? manager.acquire(target.name, options)
        : target.mode === 'permits'
          ? manager.semaphore(target.name, { permits: LIMIT }).acquire({ ...options, permits: target.permits })
          : manager.readWriteLock(target.name)[target.mode].acquire(options);
    // An attempt, where it asks but once, and a look at who had it.
    this.#follow('acquire', taken, waitMs + (waitMs === 0 ? 2 : 1) * COMMAND_MS, [target], (lease) => this.#use(lease));
  }

  #try(): void {
    const { target } = this;
    const { manager } = this.#client;
    const tried: Promise<Lease | PermitLease | null> =
      target.mode === 'exclusive'
        ? manager.tryAcquire(target.name, this.#options)
        : target.mode === 'permits'
          ? manager.semaphore(target.name, { permits: LIMIT }).tryAcquire({ ...this.#options, permits: target.permits })
          : manager.readWriteLock(target.name)[target.mode].tryAcquire(this.#options);
    this.#follow('tryAcquire', tried, COMMAND_MS, [], (lease) => {
      if (lease !== null) this.#use(lease);
      else this.#mustBeBusy(target);
    });
  }

  #task(): void {
    const { holdMs, waitMs } = this.#call;
    const { target } = this;
    const options = { ...this.#options, waitMs };
    const { manager } = this.#client;
    let held: Held | null = null;
    const task = async (lease: Lease | PermitLease): Promise<void> => {
      const mine = this.#book.hold(this.#client, this.#call, target, lease);
      held = mine;
      this.#plan(mine);
      await new Promise<void>((resolve) => this.#client.later(holdMs, resolve));
      this.#book.release(mine);
    };
    const run =
      target.mode === 'exclusive'
        ? manager.withLock(target.name, options, task)
        : target.mode === 'permits'
          ? manager.semaphore(target.name, { permits: LIMIT }).withPermits({ ...options, permits: target.permits }, task)
          : manager.readWriteLock(target.name)[target.mode].withLock(options, task);
    this.#follow('withLock', run, waitMs + holdMs + 2 * COMMAND_MS, [target], () => {
      if (held?.isLost === true) this.#book.complain('I6', `${this.#call.label}: a task whose lock was lost heard nothing of it`);
    });
  }

  /** Is a candidate for `holdMs`, and ends its terms in every way that a task can. */
  #lead(): void {
    const { label, ttlMs, holdMs } = this.#call;
    const { target } = this;
    let terms = 0;
    const task = async ({ lease, signal, resign }: Leadership): Promise<void> => {
      terms += 1;
      const mine = this.#book.hold(this.#client, this.#call, target, lease);
      lease.signal.addEventListener('abort', () => {
        this.#client.later(1, () => {
          if (!signal.aborted) this.#book.complain('I6', `${label}: the task of a term that was lost heard nothing of that`);
        });
      });
      await new Promise<void>((resolve) => {
        if (signal.aborted) resolve();
        signal.addEventListener('abort', () => resolve(), { once: true });
        this.#client.later(holdMs / 3, resolve);
      });
      this.#book.release(mine);
      if (terms % 3 === 1) resign();
      if (terms % 3 === 2) throw new Error('the task failed');
    };
    const stop = new AbortController();
    this.#client.later(holdMs, () => stop.abort());
    const election = createElection(this.#client.manager, target.name.slice('election/'.length), { ttlMs, label, retryMs: 50 });
    const run = election.run(task, { signal: stop.signal, onTaskError: 'campaign' });
    // Between its terms it rests: what is free meanwhile waits for nobody.
    this.#follow('lead', run, holdMs + 2 * COMMAND_MS, [], () => {});
  }

  #all(): void {
    const { waitMs, targets } = this.#call;
    const names = targets.map(({ name }) => name);
    const taken = this.#client.manager.acquireAll(names, { ...this.#options, waitMs });
    this.#follow('acquireAll', taken, waitMs + 4 * COMMAND_MS, targets, (group) => {
      const held = targets.map((target) => this.#book.hold(this.#client, this.#call, target, group.get(target.name)));
      for (const one of held) this.#plan(one);
      this.#client.later(this.#call.holdMs, () => {
        for (const one of held) this.#book.release(one);
        this.#follow('release of a group', group.release(), COMMAND_MS, [], () => {});
      });
    });
  }

  #each(): void {
    const { targets } = this.#call;
    const names = targets.map(({ name }) => name);
    this.#follow('tryAcquireEach', this.#client.manager.tryAcquireEach(names, this.#options), COMMAND_MS, [], (map) => {
      const held: Held[] = [];
      for (const target of targets) {
        const lease = map.get(target.name);
        if (lease === undefined) this.#mustBeBusy(target);
        else held.push(this.#book.hold(this.#client, this.#call, target, lease));
      }
      for (const one of held) this.#plan(one);
      this.#client.later(this.#call.holdMs, () => {
        for (const one of held) this.#book.release(one);
        this.#follow('releaseAll', map.releaseAll(), COMMAND_MS, [], () => {});
      });
    });
  }

  // --- what is done with a hold

  #use(lease: Lease | PermitLease): void {
    const held = this.#book.hold(this.#client, this.#call, this.target, lease);
    this.#plan(held);
    this.#client.later(this.#call.holdMs, () => this.#release(held));
  }

  #plan(held: Held): void {
    const { extend } = this.#call;
    if (extend === null) return;
    this.#client.later(extend.afterMs, () => {
      if (held.isReleased) return;
      this.#history.add(this.#client.name, () => `${this.#call.label}: extends ${textOf(held.target)} by ${extend.ttlMs}`);
      this.#follow('extend', held.lease.extend(extend.ttlMs), COMMAND_MS, [], () => {}, held);
    });
  }

  #release(held: Held): void {
    this.#book.release(held);
    const wasLost = held.isLost;
    this.#follow('release', held.lease.release(), COMMAND_MS, [], (answer) => {
      this.#history.add(this.#client.name, () => `${this.#call.label}: release() says ${answer}`);
      this.#book.releaseAnswered(held, wasLost, answer);
    });
  }

  #stop(): void {
    this.#history.add(this.#client.name, () => `${this.#call.label}: gives up`);
    this.#abort?.abort(new GivenUp(this.#call.label));
  }

  // --- what the contract says of answers

  #follow<T>(
    what: string,
    promise: Promise<T>,
    limitMs: number,
    waitsFor: readonly Target[],
    then: (value: T) => void,
    held: Held | null = null,
  ): void {
    const { faults } = this.#client.plan;
    // While its process stands still nothing settles.
    const stillMs = faults.reduce((sum, fault) => sum + (fault.what === 'pause' ? fault.ms : 0), 0);
    const startedAt = this.#world.now;
    const dueAt = startedAt + (limitMs + SLACK_MS) / this.#client.machine.rate + stillMs + this.#client.plan.turnMs;
    const pending: Pending = { what, client: this.#client, call: this.#call, dueAt, waitsFor };
    this.#pending.add(pending);
    const settled = (): void => {
      this.#pending.delete(pending);
      if (this.#world.now > dueAt)
        this.#book.complain(
          'I4',
          `${this.#call.label}: ${what} took ${(this.#world.now - startedAt).toFixed(0)} ms; it may take ${(dueAt - startedAt).toFixed(0)}`,
        );
    };
    promise.then(
      (value) => {
        settled();
        then(value);
      },
      (error: unknown) => {
        settled();
        this.#history.add(this.#client.name, () => `${this.#call.label}: ${what} rejects: ${messageOf(error)}`);
        this.#mustBeHonest(what, error, held);
      },
    );
  }

  #mustBeBusy(target: Target): void {
    this.#history.add(this.#client.name, () => `${this.#call.label}: is notified that ${textOf(target)} is busy`);
    if (!this.#book.wasRefused(this.#call.label, target))
      this.#book.complain('I6', `${this.#call.label}: was notified that ${textOf(target)} is busy, and the store has not said so`);
  }

  #mustBeHonest(what: string, error: unknown, held: Held | null): void {
    const { label, targets, waitMs } = this.#call;
    const lie = (why: string): void => this.#book.complain('I6', `${label}: ${what} rejected with ${messageOf(error)}, and ${why}`);
    if (error instanceof GivenUp) {
      if (error.label !== label || this.#abort?.signal.reason !== error) lie('nobody gave it up');
    } else if (isLockError(error, 'LOCK_TIMEOUT')) {
      const { book, startedAt, client } = { book: this.#book, startedAt: this.#startedAt, client: this.#client };
      const isHonest = (target: Target): boolean =>
        waitMs === 0 ? book.wasRefused(label, target) : book.wasHeard(client, label, target, startedAt);
      if (what === 'extend' || what.startsWith('release') || waitMs === Number.POSITIVE_INFINITY) lie('it does not wait');
      else if (!targets.some(isHonest)) lie('no request of that wait was answered');
    } else if (isLockError(error, 'LOCK_BACKEND_UNAVAILABLE')) {
      // Some networks need longer than the shortest leases last, and the shortest waits.
      const { ttlMs, maxHoldMs } = this.#call;
      const isTooSlow = 8 * this.#slowestMs >= Math.min(ttlMs, maxHoldMs ?? ttlMs, COMMAND_MS, waitMs === 0 ? COMMAND_MS : waitMs);
      // A request that was sent a moment ago is on its way.
      const isUnderWay = targets.some((target) => this.#world.now - this.#book.askedAt(label, target) <= 8 * this.#slowestMs);
      if (this.#client.faults === 0 && !isTooSlow && !isUnderWay) lie('nothing had happened to its messages');
    } else if (isLockError(error, 'LOCK_CLOSED')) {
      if (!this.#client.isClosing) lie('nobody closed the manager');
    } else if (isLockError(error, 'LOCK_LOST')) {
      if (what === 'acquire' || what.startsWith('try') || what === 'release') lie('it had nothing to lose');
      if (what === 'lead') lie('an election goes on after a loss');
      if (held !== null && !held.isLost && !held.isReleased) lie('its signal has not aborted');
    } else {
      lie('that is none of its outcomes');
    }
  }

  get target(): Target {
    const [target] = this.#call.targets;
    if (target === undefined) throw new Error(`${this.#call.label} is for nothing`);
    return target;
  }
}

/** Why callers abort. */
class GivenUp extends Error {
  readonly label: string;

  constructor(label: string) {
    super('given up');
    this.label = label;
  }
}
