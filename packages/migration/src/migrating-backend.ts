import {
  type Answer,
  type CallContext,
  type Capabilities,
  type FencingToken,
  type HoldRef,
  type HoldRequest,
  type LockBackend,
  type LockKind,
  type LockManager,
  type LockState,
  LockUnavailableError,
  type LostReason,
} from '@holdfast/core';
import { holderTtlMs } from './holder-ttl.js';
import { mergeStates, withoutTokens } from './merged-state.js';
import type { OneSidedWatch } from './migration-events.js';
import { OneStore } from './one-store.js';
import { MigrationMarks } from './migration-marks.js';
import { type MigrationSide, sidesOf } from './phase.js';
import type { Passage, PhaseGate } from './phase-gate.js';
import { settleAll } from './settle-all.js';
import { forceReleaseSide, inspectSide, tryTakeMany } from './side-holds.js';
import { disposeSides, type SideLease, StackedHold } from './stacked-hold.js';
import { PhaseChanged, waitForSides } from './wait-for-sides.js';

type Sides = Readonly<Record<MigrationSide, LockManager>>;

/**
 * A backend whose store is one or two lock managers: a hold of it stands on a lease of each side of its phase. Core does
 * the rest, so that a migrating manager is a lock manager like any other.
 */
export class MigratingBackend implements LockBackend {
  readonly contract = 1;
  readonly name: string;
  readonly capabilities: Capabilities;
  readonly marks?: MigrationMarks;
  readonly #sides: Sides;
  readonly #gate: PhaseGate;
  readonly #watch: OneSidedWatch;
  readonly #oneStore: OneStore;
  readonly #holds = new Map<string, StackedHold>();
  readonly #releasing = new Set<Promise<boolean>>();
  #onLost: (hold: HoldRef, reason: LostReason) => void = () => {};

  constructor(sides: Sides, gate: PhaseGate, watch: OneSidedWatch) {
    this.#sides = sides;
    this.#gate = gate;
    this.#watch = watch;
    this.name = `${sides.from.backend}->${sides.to.backend}`;
    this.#oneStore = new OneStore(sides, this.name);
    this.capabilities = commonCapabilities(sides, gate);
    const { from, to } = sides;
    if (from.marks !== null && to.marks !== null) this.marks = new MigrationMarks({ from: from.marks, to: to.marks }, gate);
  }

  onLost(listener: (hold: HoldRef, reason: LostReason) => void): void {
    this.#onLost = listener;
  }

  /** A hold of it is two leases in this process. */
  canAdopt(): boolean {
    return false;
  }

  remainingMs(owner: string): number {
    return this.#holds.get(owner)?.remainingMs ?? 0;
  }

  async attempt(requests: readonly HoldRequest[], call: CallContext): Promise<readonly Answer[]> {
    const passages = requests.map(() => this.#gate.enter());
    const taken = requests.map((): SideLease[] => []);
    // Indices of those that no side has refused yet.
    let wanted = requests.map((_, index) => index);
    try {
      for (const side of sidesOf(passages[0]?.phase ?? this.#gate.phase)) {
        const asked = wanted.flatMap((index) => requests[index] ?? []).map((request) => this.#sideRequest(request));
        // oxlint-disable-next-line no-await-in-loop
        const leases = await tryTakeMany(this.#sides[side], asked, call.signal);
        const refused = wanted.filter((_, place) => leases[place] === null);
        for (const [place, index] of wanted.entries()) {
          const lease = leases[place];
          if (lease !== null && lease !== undefined) taken[index]?.push({ side, lease });
        }
        wanted = wanted.filter((index) => !refused.includes(index));
        // oxlint-disable-next-line no-await-in-loop
        await Promise.all(refused.map((index) => this.#takeBack(requests[index], taken[index], passages[index], side)));
        // oxlint-disable-next-line no-await-in-loop
        if (refused.length > 0 && side === 'to' && passages[0]?.phase === 'both') await this.#oneStore.refuse();
      }
      // The first side may have been lost while the second was asked.
      for (const index of wanted) {
        const lost = taken[index]?.find(({ lease }) => !lease.isHeld);
        if (lost !== undefined) throw lostWhileTaking(lost, this.name);
      }
    } catch (error) {
      await Promise.all(taken.map((leases) => disposeSides(leases)));
      for (const passage of passages) passage.leave();
      throw error;
    }
    return requests.map((request, index) => {
      const [leases, passage] = [taken[index], passages[index]];
      if (!wanted.includes(index) || leases === undefined || passage === undefined) return { granted: false, remainingMs: null };
      return { granted: true, fencingToken: this.#adopt(request, leases, passage) };
    });
  }

  /** Waits on one side after the other, and starts anew when the phase changes. */
  async wait(request: HoldRequest, call: CallContext): Promise<Extract<Answer, { granted: true }>> {
    for (;;) {
      const passage = this.#gate.enter();
      try {
        const phase = passage.phase;
        // oxlint-disable-next-line no-await-in-loop
        const leases = await waitForSides(this.#sides, this.#sideRequest(request), call, {
          phase,
          backend: this.name,
          onRestart: (restart) => this.#gate.onRestart(restart),
          watching: (side, fail) => {
            if (phase !== 'both') return () => {};
            const looks = [this.#watch.waiting(request, side)];
            if (side === 'to') looks.push(this.#oneStore.waiting(call.clock, fail));
            return () => looks.forEach((end) => end());
          },
        });
        const fencingToken = this.#adopt(request, leases, passage);
        // The sides' own deadlines count from before they were asked, and `remainingMs` keeps to them.
        return { granted: true, fencingToken, stamp: { now: call.clock.now(), wall: call.clock.wall() } };
      } catch (error) {
        passage.leave();
        if (!(error instanceof PhaseChanged) || call.signal.aborted) throw error;
      }
    }
  }

  async renew(holds: readonly (HoldRef & { readonly ttlMs: number })[]): Promise<readonly (boolean | null)[]> {
    return await Promise.all(
      holds.map(async ({ owner, ttlMs }) => {
        const hold = this.#holds.get(owner);
        return hold === undefined ? false : await hold.extend(this.#sideTtlMs(ttlMs));
      }),
    );
  }

  release(holds: readonly HoldRef[]): Promise<readonly boolean[]> {
    return settleAll(holds.map(({ owner }) => this.#releaseOne(owner)));
  }

  async inspect(name: string, kind: LockKind): Promise<LockState> {
    const phase = this.#gate.phase;
    if (phase === 'to') return await inspectSide(this.#sides.to, name, kind);
    if (phase === 'from') return withoutTokens(await inspectSide(this.#sides.from, name, kind));
    const [from, to] = await Promise.all([inspectSide(this.#sides.from, name, kind), inspectSide(this.#sides.to, name, kind)]);
    return mergeStates(from, to);
  }

  /** At once on both sides: one after the other, the second would hit the one who has come in behind the first. */
  async forceRelease(name: string, kind: LockKind): Promise<boolean> {
    const freed = await settleAll(sidesOf(this.#gate.phase).map((side) => forceReleaseSide(this.#sides[side], name, kind)));
    return freed.includes(true);
  }

  async *list(prefix: string): AsyncGenerator<LockState, void, undefined> {
    const phase = this.#gate.phase;
    const told = new Set<string>();
    for (const side of [...sidesOf(phase)].reverse()) {
      for await (const state of this.#sides[side].list(prefix === '' ? {} : { prefix })) {
        const key = `${state.kind}:${state.name}`;
        if (told.has(key)) continue;
        if (phase === 'both') told.add(key);
        const whole = phase === 'to' ? state : phase === 'from' ? withoutTokens(state) : await this.inspect(state.name, state.kind);
        if (whole.held) yield whole;
      }
    }
  }

  async checkHealth(call: CallContext): Promise<void> {
    const reports = await Promise.all(
      sidesOf(this.#gate.phase).map((side) => this.#sides[side].checkHealth({ timeoutMs: Math.max(1, Math.ceil(call.timeoutMs)) })),
    );
    for (const report of reports) if (!report.ok) throw report.error;
    if (this.#gate.phase === 'both') await this.#oneStore.refuse();
  }

  async close(): Promise<void> {
    this.#watch.close();
    this.marks?.close();
    // The second half of a release that is under way needs its side.
    await Promise.allSettled(this.#releasing);
    await Promise.all([this.#sides.from.close(), this.#sides.to.close()]);
  }

  async #releaseOne(owner: string): Promise<boolean> {
    const hold = this.#holds.get(owner);
    if (hold === undefined) return false;
    this.#holds.delete(owner);
    const done = hold.release();
    this.#releasing.add(done);
    try {
      return await done;
    } finally {
      this.#releasing.delete(done);
    }
  }

  #adopt(request: HoldRequest, leases: readonly SideLease[], passage: Passage): FencingToken {
    const { name, owner, mode } = request;
    const hold = new StackedHold({ name, owner, mode }, leases, passage, (lost, reason) => {
      this.#holds.delete(lost.ref.owner);
      this.#onLost(lost.ref, reason);
    });
    this.#holds.set(owner, hold);
    hold.watch();
    return hold.fencingToken;
  }

  /** `side` has refused what the sides before it had granted. */
  async #takeBack(
    request: HoldRequest | undefined,
    leases: readonly SideLease[] | undefined,
    passage: Passage | undefined,
    side: MigrationSide,
  ): Promise<void> {
    if (request !== undefined && passage?.phase === 'both') this.#watch.refused(request, side);
    await disposeSides(leases ?? []);
    passage?.leave();
  }

  #sideRequest(request: HoldRequest): HoldRequest {
    return { ...request, ttlMs: this.#sideTtlMs(request.ttlMs) };
  }

  #sideTtlMs(ttlMs: number): number {
    return this.capabilities.expiry === 'ttl' ? holderTtlMs(ttlMs) : ttlMs;
  }
}

/** What both sides can do; limits that differ are reported by the managers of the sides, each for itself. Fencing tokens come from the target, so there are none before it is used. */
function commonCapabilities({ from, to }: Sides, gate: PhaseGate): Capabilities {
  const both = (capability: Exclude<keyof Capabilities, 'expiry' | 'maxPermits' | 'reportsLimits'>): boolean =>
    from.capabilities[capability] && to.capabilities[capability];
  return {
    get fencing() {
      return gate.phase !== 'from' && to.capabilities.fencing;
    },
    semaphores: both('semaphores'),
    maxPermits: least(from.capabilities.maxPermits, to.capabilities.maxPermits),
    readWriteLocks: both('readWriteLocks'),
    fair: both('fair'),
    push: both('push'),
    marks: both('marks'),
    list: both('list'),
    expiry: from.capabilities.expiry === 'ttl' && to.capabilities.expiry === 'ttl' ? 'ttl' : 'session',
  };
}

/** undefined is no bound. */
function least(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined || b === undefined ? (a ?? b) : Math.min(a, b);
}

function lostWhileTaking({ side, lease }: SideLease, backend: string): LockUnavailableError {
  const message = `${JSON.stringify(lease.name)} was lost on the side "${side}" while the other was asked; both are freed`;
  return new LockUnavailableError(message, { backend, lockName: lease.name });
}
