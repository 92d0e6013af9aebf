import { type Violation, World } from '@holdfast/test/simulation';
import { Book } from './book.js';
import { Caller, type Pending } from './caller.js';
import { COMMAND_MS, SimulatedClient } from './client.js';
import { History } from './history.js';
import { altered, type Mutant } from './mutant.js';
import { observed } from './observed-backend.js';
import { type CallPlan, keyOf, type Scenario } from './scenario.js';
import type { SimulatedStore, StoreKind } from './store.js';

/** How far apart the looks are at what is free while somebody waits. */
const LOOK_EVERY_MS = 250;
/** For how long a name may be free while somebody waits for it: the longest poll, and what follows it. */
const IDLE_MS = 3_500;
/** By then everything that was under way when the faults stopped has been cleared up: the latest packet, and what follows it. */
const RESIDUE_MS = 12_000;
/** Until then every hold of those who have gone has ended by itself. */
const AFTERLIFE_MS = 60_000;
/** A call that is still pending then never settles. */
const END_MS = 120_000;
const CLOSE_MS = 5_000;

/** What one seed came to. */
export interface Outcome {
  readonly seed: number;
  readonly grants: number;
  readonly violation: Violation | null;
  /** Empty unless it was asked for. */
  readonly history: readonly string[];
}

/** Runs one scenario: real managers and real backends over a simulated store. The same scenario does the same on every machine. */
export async function play<M extends Mutant>(kind: StoreKind<M>, scenario: Scenario, mutant: M, keepsHistory = false): Promise<Outcome> {
  const simulation = new Simulation(kind, scenario, mutant, keepsHistory);
  await simulation.run();
  const { book, history } = simulation;
  return { seed: scenario.seed, grants: book.grants, violation: book.violation, history: history.lines };
}

class Simulation<M extends Mutant> {
  readonly history: History;
  readonly book: Book;
  readonly #scenario: Scenario;
  readonly #world: World;
  readonly #store: SimulatedStore;
  readonly #clients: readonly SimulatedClient[];
  readonly #pending = new Set<Pending>();
  readonly #freeSince = new Map<Pending, number>();
  #unmade: number;

  constructor(kind: StoreKind<M>, scenario: Scenario, mutant: M, keepsHistory: boolean) {
    // Another sequence than the one that made the scenario.
    const world = new World(scenario.seed ^ 0x5bd1e995);
    this.#scenario = scenario;
    this.#world = world;
    this.history = new History(world, keepsHistory);
    const book = new Book(world, () => this.#store, this.history);
    this.book = book;
    this.#store = kind.open({ world, scenario, mutant, history: this.history, observer: book });
    this.#clients = scenario.clients.map((plan, number) => new SimulatedClient(number, plan, world, this.history));
    for (const client of this.#clients) {
      const backend = this.#store.connect(client);
      client.begin(altered(observed(backend, client, book), mutant.backend), mutant);
    }
    for (const { at, target } of scenario.forced) world.later(at, () => book.forced(target, this.#store.forceRelease(target)));
    this.#unmade = scenario.calls.length;
    for (const call of scenario.calls) {
      world.later(call.at, () => {
        this.#unmade -= 1;
        const client = this.#clients[call.client];
        client?.machine.reach(() => {
          if (!client.isGone) new Caller(world, book, this.history, scenario.weather.slowestMs, this.#pending, client, call).start();
        });
      });
    }
  }

  async run(): Promise<void> {
    const world = this.#world;
    world.onSettled = () => {
      this.book.look();
      if (this.#scenario.expires) this.#checkTheDead();
    };
    await this.#pass(this.#scenario.quietAt);
    this.#store.quiet();
    this.history.add('network', () => 'has no faults any more');
    while (this.book.violation === null && (this.#unmade > 0 || this.#isBusy)) {
      if (world.now > END_MS) {
        for (const { what, call } of this.#pending) this.book.complain('I4', `${call.label}: ${what} never settles`);
        return;
      }
      await this.#pass(LOOK_EVERY_MS);
      this.#lookForIdleNames();
    }
    await this.#pass(RESIDUE_MS);
    this.#checkLeft((label) => this.#clients[Number(label.split('.')[0])]?.isGone !== true, `${RESIDUE_MS} ms after the last call`);
    await this.#close();
    // Time alone ends the rest.
    world.now += AFTERLIFE_MS;
    await this.#pass(RESIDUE_MS);
    this.#checkLeft(() => true, 'although all have gone');
  }

  async #pass(ms: number): Promise<void> {
    if (this.book.violation !== null) return;
    const until = this.#world.now + ms;
    await this.#world.run(until);
    this.#world.now = Math.max(this.#world.now, until);
  }

  /** Calls of those who are still there, and holds that their callers will give back. */
  get #isBusy(): boolean {
    for (const { client } of this.#pending) if (!client.machine.isDead) return true;
    return this.book.hasHeld;
  }

  #lookForIdleNames(): void {
    // Where requests do not expire, one that is on its way may not be given up, nor a subscription that comes late be refused.
    const slowMs = this.#scenario.expires ? 0 : this.#scenario.weather.stragglesMs + 3_000;
    for (const pending of this.#pending) {
      const { client, call, what, waitsFor } = pending;
      const isFree =
        waitsFor.length > 0 &&
        !client.isGone &&
        !client.machine.isPaused &&
        waitsFor.every((target) => this.#store.holds(target).length === 0);
      const since = isFree ? (this.#freeSince.get(pending) ?? this.#world.now) : this.#world.now;
      this.#freeSince.set(pending, since);
      if (this.#world.now - since > IDLE_MS + slowMs)
        this.book.complain('I9', `${call.label}: ${what} waits for what has been free for ${(this.#world.now - since).toFixed(0)} ms`);
    }
  }

  /** What the dead held ends in time: also when a renewal of theirs comes late. */
  #checkTheDead(): void {
    for (const client of this.#clients) {
      if (!client.machine.isDead) continue;
      for (const call of this.#scenario.calls) {
        if (call.client !== client.number) continue;
        for (const target of call.targets) {
          if (!this.book.wasHadAtDeath(call.label, target)) continue;
          for (const { label, forMs } of this.#store.holds(target)) {
            if (label !== call.label || this.#world.now + forMs <= client.diedAt + this.#longestAfterDeath(call)) continue;
            this.book.complain(
              'I5',
              `${label} holds ${keyOf(target)} for ${forMs.toFixed(0)} ms more; ${client.name} is dead since ${client.diedAt.toFixed(0)}`,
            );
          }
        }
      }
    }
  }

  /** The last request may be carried out for as long as a command may take, and keeps the hold for its ttl and the guard. */
  #longestAfterDeath({ ttlMs, extend }: CallPlan): number {
    const longestMs = Math.max(ttlMs, extend?.ttlMs ?? 0);
    const guardMs = Math.min(Math.max(longestMs / 10, 100), 1_000);
    const setBackMs = Math.max(0, -(this.#scenario.serverJump?.ms ?? 0));
    return (COMMAND_MS + longestMs + guardMs) * 1.05 + setBackMs;
  }

  #checkLeft(counts: (label: string) => boolean, when: string): void {
    if (this.book.violation !== null) return;
    for (const line of this.#store.left()) if (counts(line.split(' ')[0] ?? '')) this.book.complain('I5', `${line} ${when}`);
  }

  async #close(): Promise<void> {
    const closed = this.#clients.map(async (client) => {
      if (!client.machine.isDead && !client.isClosing) await client.close(0);
    });
    let isClosed = false;
    void Promise.all(closed).then(() => {
      isClosed = true;
    });
    await this.#pass(CLOSE_MS);
    if (this.book.violation !== null) return;
    if (!isClosed) this.book.complain('I4', 'a manager is not closed within 5 s');
    for (const { machine, name } of this.#clients) {
      if (!machine.isDead && machine.timers > 0) this.book.complain('I5', `${name} has ${machine.timers} timers left after it was closed`);
    }
  }
}
