import type { Answer, Clock, HolderState, HoldRef, HoldRequest, LockBackend, LockKind, LockState } from '@holdfast/core';
import { createMemoryBackend } from '@holdfast/core/memory';
import { createTestMemoryStore, type TestMemoryStore } from '@holdfast/core/testing';
import { calm, Machine, Network, type World } from '@holdfast/test/simulation';
import type { SimulatedClient } from '../client.js';
import type { History } from '../history.js';
import { altered } from '../mutant.js';
import { keyOf, type Scenario, type Target } from '../scenario.js';
import type { SimulatedStore, StoreHold, StoreObserver, StoreSetup } from '../store.js';
import type { MemoryMutant } from './mutants.js';
import { type MemoryListener, MemorySession } from './memory-session.js';

/** A command has had its time by then, and a release of it has been answered. */
const BEHIND_LATE_MS = 600;
const LAST_JUMP_MS = 3_500;
const NEVER = new AbortController().signal;

interface View {
  readonly holders: readonly HolderState[];
  readonly at: number;
}

/** The real memory backend on a server of its own, which clients reach over a network. */
export class MemoryServer implements Omit<SimulatedStore, 'connect'> {
  readonly network: Network;
  readonly machine: Machine;
  readonly scenario: Scenario;
  readonly mutant: MemoryMutant;
  readonly history: History;
  readonly observer: StoreObserver;
  readonly #store: TestMemoryStore;
  readonly #backend: LockBackend<bigint>;
  readonly #clock: Clock;
  /** What it keeps, as of the last thing that it did. */
  readonly #views = new Map<string, View>();
  readonly #known = new Map<string, Pick<Target, 'kind' | 'name'>>();
  readonly #clients: SimulatedClient[] = [];
  readonly #world: World;
  #jump: Scenario['serverJump'];
  #version = 0;
  #lastReleased: readonly string[] = [];

  constructor({ world, scenario, mutant, history, observer }: StoreSetup<MemoryMutant>) {
    this.network = new Network(world, scenario.weather, scenario.seed);
    this.scenario = scenario;
    this.mutant = mutant;
    this.history = history;
    this.observer = observer;
    this.machine = new Machine(world, scenario.serverRate, 0);
    const { clock } = this.machine;
    this.#clock = {
      ...clock,
      setTimer: (delayMs, fire) =>
        clock.setTimer(delayMs, () => {
          fire();
          this.#look();
        }),
    };
    this.#store = createTestMemoryStore({ clock: this.#clock });
    this.#backend = this.newBackend();
    this.#world = world;
    this.#jump = scenario.serverJump;
    // Ahead at its time; back behind a request that is late, or else later.
    if (this.#jump !== null) world.later(this.#jump.ms > 0 ? this.#jump.at : LAST_JUMP_MS, () => this.#moveClock());
  }

  /** A request is late on its way: the time for a clock to be set back that would let it in. */
  late(): void {
    if (this.#jump !== null && this.#jump.ms < 0 && this.#jump.at <= this.#world.now)
      this.#world.later(BEHIND_LATE_MS, () => this.#moveClock());
  }

  #moveClock(): void {
    if (this.#jump === null) return;
    const { ms } = this.#jump;
    this.#jump = null;
    this.history.add('store', () => `has its wall clock moved by ${ms} ms`);
    this.machine.jumpWall(ms);
    // Requests that are on their way may come late by the new time.
    for (const client of this.#clients) client.suffered();
  }

  get version(): number {
    return this.#version;
  }

  get lastReleased(): readonly string[] {
    return this.#lastReleased;
  }

  /** Whole milliseconds of the server's clock: what its replies carry. */
  get timeMs(): number {
    return Math.floor(this.#clock.wall());
  }

  newBackend(): LockBackend<bigint> {
    const backend = createMemoryBackend({ store: this.#store, fair: this.scenario.isFair });
    return altered(backend, this.mutant.server);
  }

  newSession(listener: MemoryListener): MemorySession {
    return new MemorySession(this.newBackend(), this.machine, listener);
  }

  /** Another client has come. */
  joined(client: SimulatedClient): void {
    this.#clients.push(client);
  }

  attempt(backend: LockBackend<bigint>, requests: readonly HoldRequest[]): Promise<readonly Answer<bigint>[]> {
    return this.#did(requests, backend.attempt(requests, this.#call));
  }

  /** @returns the token when it was granted at once; null when others are in front */
  async enrol(session: MemorySession, request: HoldRequest): Promise<bigint | null> {
    session.enrol(request);
    // As long on its way as the grant would be.
    await this.#did([request], this.#backend.attempt([], this.#call));
    return session.tokenOf(request.owner);
  }

  renew(holds: readonly (HoldRef & { readonly ttlMs: number })[]): Promise<readonly (boolean | null)[]> {
    return this.#did(holds, this.#backend.renew(holds, this.#call));
  }

  async release(session: MemorySession, holds: readonly HoldRef[]): Promise<readonly boolean[]> {
    this.#lastReleased = holds.map(({ owner }) => owner);
    for (const hold of holds) session.released(hold);
    const answers = await this.#did(holds, this.#backend.release(holds, this.#call), true);
    for (const [index, { owner }] of holds.entries()) if (answers[index] === true) this.observer.freed(owner);
    return answers.map((answer) => answer === true);
  }

  inspect(name: string, kind: LockKind): Promise<LockState> {
    return this.#backend.inspect(name, kind, this.#call);
  }

  /** Something else has happened to what is kept. */
  changed(): void {
    this.#look();
  }

  holds(target: Pick<Target, 'kind' | 'name'>): readonly StoreHold[] {
    const view = this.#views.get(keyOf(target));
    if (view === undefined) return [];
    return view.holders.flatMap(({ label, mode, permits, remainingMs, fencingToken }) => {
      const forMs = ((remainingMs ?? 0) - (this.#clock.now() - view.at)) / this.machine.rate;
      return forMs > 0 ? [{ label: label ?? '', mode, permits, token: fencingToken, forMs }] : [];
    });
  }

  forceRelease(target: Target): readonly string[] {
    const labels = this.holds(target).map(({ label }) => label);
    this.#store.evict(target.name, target.kind);
    this.#look();
    return labels;
  }

  left(): readonly string[] {
    const holds = [...this.#known.values()].flatMap((target) => this.holds(target).map(({ label }) => `${label} holds ${keyOf(target)}`));
    return holds.length > 0 || this.#store.size === 0 ? holds : [`somebody waits for one of ${this.#store.size} names`];
  }

  quiet(): void {
    this.network.weather = calm;
  }

  get #call(): { readonly timeoutMs: number; readonly signal: AbortSignal; readonly clock: Clock } {
    return { timeoutMs: 1_000, signal: NEVER, clock: this.#clock };
  }

  #did<T>(refs: readonly HoldRef[], step: Promise<T>, isRelease = false): Promise<T> {
    for (const { name, mode } of refs) {
      const kind = mode === 'exclusive' ? 'lock' : mode === 'permits' ? 'semaphore' : 'read-write';
      const key = keyOf({ kind, name });
      if (!this.#known.has(key)) this.#known.set(key, { kind, name });
    }
    this.#look(isRelease);
    return step;
  }

  #look(isRelease = false): void {
    if (!isRelease) this.#lastReleased = [];
    this.#version += 1;
    for (const [key, { kind, name }] of this.#known) {
      const at = this.#clock.now();
      void this.#backend.inspect(name, kind, this.#call).then(({ holders }) => this.#views.set(key, { holders, at }));
    }
  }
}
