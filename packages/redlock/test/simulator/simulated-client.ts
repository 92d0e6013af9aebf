import { type Answer, type CallContext, type HoldRequest, isLockError } from '@holdfast/core';
import { type Machine, Violation, type World } from '@holdfast/test/simulation';
import { driftMs } from '../../src/protocol/validity.js';
import type { RedlockBackend } from '../../src/redlock-backend.js';
import type { Grant, Ledger } from './ledger.js';
import type { SimulatedLink } from './simulated-link.js';

export const DRIFT_FACTOR = 0.01;
export const NODE_TIMEOUT_MS = 60;
export const NAME = 'n';
/** What a call may take besides its time: the answers to what it frees, and every pause of its process. */
const SETTLE_SLACK_MS = 1200;
const NEVER = new AbortController().signal;

export interface SimulatedClientOptions {
  readonly world: World;
  readonly machine: Machine;
  readonly backend: RedlockBackend;
  readonly ledger: Ledger;
  readonly number: number;
  readonly kind: 'lock' | 'read-write' | 'semaphore';
  readonly limit: number;
  readonly links: readonly SimulatedLink[];
  /** Its tasks ask for one permit after another, and seldom keep one for long: so that permits are passed on. */
  readonly isBusy: boolean;
}

/** Does what core does: asks, believes until its deadline, renews, releases, frees what is in doubt. */
export class SimulatedClient {
  readonly #options: SimulatedClientOptions;
  /** What is believed in, by owner. */
  readonly #grants = new Map<string, Grant>();
  #owners = 0;

  constructor(options: SimulatedClientOptions) {
    this.#options = options;
    options.backend.onLost(({ owner }) => {
      const grant = this.#grants.get(owner);
      if (grant !== undefined) grant.until = Math.min(grant.until, options.world.now);
    });
  }

  async work(): Promise<void> {
    const { world, isBusy } = this.#options;
    for (let round = isBusy ? world.integer(3, 8) : world.integer(2, 4); round > 0; round--) {
      await this.#sleep(isBusy ? 0 : world.chance(0.6) ? world.between(0, 5) : world.between(0, 120));
      const request = this.#newRequest();
      if (world.chance(isBusy ? 0.7 : 0.3)) await this.#wait(request);
      else await this.#attempt(request);
    }
  }

  /** Asks again each time that it is woken, a few times. */
  async #wait(request: HoldRequest): Promise<void> {
    const { world, backend } = this.#options;
    let wake: (() => void) | null = null;
    const subscription = backend.subscribe(request, () => wake?.());
    for (let tries = 3; tries > 0; tries--) {
      if (await this.#attempt({ ...request, owner: this.#newOwner() })) break;
      await new Promise<void>((resolve) => {
        wake = resolve;
        world.later(100, () => this.#options.machine.reach(resolve));
      });
    }
    subscription.close();
  }

  async #attempt(request: HoldRequest): Promise<boolean> {
    const { world, machine, backend, ledger, number } = this.#options;
    const askedAt = world.now;
    let answer: Answer<bigint> | undefined;
    try {
      [answer] = await this.#call(Math.min(150, request.ttlMs), (call) => backend.attempt([request], call));
    } catch (error) {
      refuseStrange(error);
      await this.#release(request);
      return false;
    }
    if (answer?.granted !== true) return false;
    const span = (request.ttlMs - driftMs(request.ttlMs, DRIFT_FACTOR)) / machine.rate;
    // One that was passed on is as old as its last confirmation.
    const confirmedAt = answer.stamp === undefined ? askedAt : answer.stamp.now / machine.rate;
    const token = answer.fencingToken;
    const told = this.#options.links.map((link) => link.toldOf(request.owner));
    // The last round has won: what a node said in an earlier one was freed, confirmed or not.
    const winner = told.reduce((last, vote) => (vote !== undefined && vote.owner > last ? vote.owner : last), '');
    const grant: Grant = {
      client: number,
      mode: request.mode,
      permits: request.mode === 'permits' ? request.permits : 1,
      token,
      askedAt,
      grantedAt: world.now,
      until: confirmedAt + span,
      votes: told.map((vote) => {
        const counts = vote?.owner === winner && (vote.isConfirmed || BigInt(vote.counter) === token);
        return counts ? { counter: vote.counter, losses: vote.losses } : null;
      }),
    };
    ledger.add(grant);
    this.#grants.set(request.owner, grant);
    await this.#hold(request, grant, span);
    this.#grants.delete(request.owner);
    return true;
  }

  async #hold(request: HoldRequest, grant: Grant, span: number): Promise<void> {
    const { world, backend, isBusy } = this.#options;
    const isShort = isBusy && world.chance(0.8);
    for (let renewals = isShort ? 0 : world.pick([0, 0, 1, 3]); renewals > 0; renewals--) {
      await this.#sleep(world.between(0, span * 0.7));
      const stampedAt = world.now;
      if (stampedAt >= grant.until) break;
      try {
        const [stands] = await this.#call(Math.ceil(request.ttlMs / 3), (call) => backend.renew([request], call));
        if (world.now >= grant.until) break;
        if (stands === true) grant.until = Math.max(grant.until, stampedAt + span);
        if (stands === false) grant.until = world.now;
      } catch (error) {
        refuseStrange(error);
      }
    }
    await this.#sleep(isShort ? world.between(0, 1) : world.chance(0.5) ? world.between(0, 10) : world.between(0, span));
    // Some die with what they hold.
    if (world.chance(0.1)) return;
    grant.until = Math.min(grant.until, world.now);
    await this.#release(request);
  }

  async #release(request: HoldRequest): Promise<void> {
    const { backend } = this.#options;
    for (let tries = 4; tries > 0; tries--) {
      try {
        await this.#call(60, (call) => backend.release([request], call));
        // A release that comes twice must not touch who has it next.
        if (tries > 1 && this.#options.world.chance(0.1)) continue;
        return;
      } catch (error) {
        refuseStrange(error);
        await this.#sleep(30);
      }
    }
  }

  async #call<T>(timeoutMs: number, run: (call: CallContext) => Promise<T>): Promise<T> {
    const { world, machine } = this.#options;
    const startedAt = world.now;
    const outcome = await run({ timeoutMs, signal: NEVER, clock: machine.clock }).then(
      (value) => ({ value }),
      (error: unknown) => ({ error }),
    );
    const took = world.now - startedAt;
    if (took > timeoutMs + SETTLE_SLACK_MS) throw new Violation('settles', `a call of ${timeoutMs} ms took ${took.toFixed(0)} ms`);
    if ('error' in outcome) throw outcome.error;
    return outcome.value;
  }

  #sleep(ms: number): Promise<void> {
    const { world, machine } = this.#options;
    return new Promise((resolve) => {
      world.later(ms, () => machine.reach(resolve));
    });
  }

  #newOwner(): string {
    return `${(this.#owners++ * 8 + this.#options.number + 1).toString(16).padStart(8, '0')}${'0'.repeat(24)}`;
  }

  #newRequest(): HoldRequest {
    const { world, kind, limit, isBusy } = this.#options;
    const base = { name: NAME, owner: this.#newOwner(), label: '', ttlMs: isBusy ? 180 : world.integer(40, 180) };
    if (kind === 'semaphore')
      return { ...base, mode: 'permits', permits: isBusy || world.chance(0.7) ? 1 : world.integer(1, limit), limit };
    if (kind === 'read-write') return { ...base, mode: world.pick(['read', 'read', 'write'] as const) };
    return { ...base, mode: 'exclusive' };
  }
}

function refuseStrange(error: unknown): void {
  if (!isLockError(error, 'LOCK_BACKEND_UNAVAILABLE')) throw error;
}
