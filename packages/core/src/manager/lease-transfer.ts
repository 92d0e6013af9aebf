import { AsyncResource } from 'node:async_hooks';
import { checkName } from '../check-name.js';
import { checkValue, type OptionRule, readOptions, rule } from '../check-options.js';
import { CONTEXT } from '../async-context.js';
import type { Capabilities } from '../contract/capabilities.js';
import type { FencingToken, Lease } from '../contract/lease.js';
import type { LeaseTicket } from '../contract/lease-ticket.js';
import type { AdoptOptions, DetachOptions } from '../contract/options.js';
import type { HolderState, LockKind, LockState } from '../contract/state.js';
import { LockArgumentError, LockLostError, LockUnavailableError } from '../errors.js';
import { Hold } from '../hold/hold.js';
import type { HoldPlan } from '../hold/hold-plan.js';
import { lostError } from '../hold/lost-error.js';
import { HeldLease, HeldPermitLease } from '../lease/held-lease.js';
import { elapsedSince } from '../time/stamp.js';
import type { ManagerCore } from './manager-core.js';
import { planOf } from './take-lease.js';

const MODES: Readonly<Record<LockKind, readonly HolderState['mode'][]>> = {
  lock: ['exclusive'],
  semaphore: ['permits'],
  'read-write': ['read', 'write'],
};
const MAX_PERMITS = 2 ** 31 - 1;
const MAX_FENCING_TOKEN = 2n ** 63n - 1n;

const detachRules: Readonly<Record<string, OptionRule>> = { ttlMs: rule.duration({ min: 1 }) };
const adoptRules: Readonly<Record<string, OptionRule>> = {
  ttlMs: rule.duration({ min: 1 }),
  renew: rule.boolean,
  maxHoldMs: rule.duration({ min: 1, infinity: true }),
};
const ticketRules: Readonly<Record<keyof LeaseTicket, OptionRule>> = {
  name: rule.string,
  kind: rule.oneOf(...Object.keys(MODES)),
  mode: rule.oneOf(...Object.values(MODES).flat()),
  permits: rule.integer(1, MAX_PERMITS),
  limit: rule.integer(1, MAX_PERMITS),
  owner: rule.secret((value) => (typeof value === 'string' && /^[0-9a-f]{32}$/.test(value) ? null : 'must be 32 lower-case hex digits')),
  fencingToken: (value) => (value === null || isToken(value) ? null : 'must be null, or a fencing token in decimal digits'),
  ttlMs: rule.duration({ min: 1 }),
};

/** Passes leases from one manager to another: without freeing the hold, and without asking for it once more. */
export class LeaseTransfer<F extends FencingToken> {
  readonly #core: ManagerCore<F>;
  /** Owners whose adoption is under way: one hold has one lease. */
  readonly #adopting = new Set<string>();

  constructor(core: ManagerCore<F>) {
    this.#core = core;
  }

  async detach(lease: Lease<FencingToken>, options: DetachOptions | undefined): Promise<LeaseTicket> {
    const { ttlMs } = readOptions('detach', options, detachRules);
    const hold = HeldLease.holdIn(this.#core, lease);
    if (hold === null) throw new LockArgumentError('detach: lease must be a lease of this very manager', { option: 'lease' });
    const { name, kind, mode, permits, limit } = hold.plan;
    this.#refuseUnable(name, mode);
    await this.#core.holds.detach(hold, ttlMs);
    const { owner, state } = hold;
    const fencingToken = state.grant?.fencingToken?.toString() ?? null;
    return { name, kind, mode, permits, limit, owner, fencingToken, ttlMs: ttlMs ?? hold.plan.ttlMs };
  }

  async adopt(given: LeaseTicket, options: AdoptOptions | undefined): Promise<Lease<F | null>> {
    const { defaults, holds } = this.#core;
    const ticket = readTicket(given);
    const { name, owner, mode } = ticket;
    const { ttlMs = ticket.ttlMs, renew = defaults.renew, maxHoldMs = defaults.maxHoldMs } = readOptions('adopt', options, adoptRules);
    this.#refuseUnable(name, mode);
    if (this.#adopting.has(owner) || holds.has(owner)) {
      throw new LockArgumentError(`adopt: this manager has the hold of ${JSON.stringify(name)} already`, { option: 'ticket' });
    }
    const plan = planOf(this.#core, name, ticket, { ...defaults, ttlMs, renew, maxHoldMs, permits: ticket.permits });
    const hold = new Hold(plan, holds, new AsyncResource(CONTEXT), owner);
    this.#adopting.add(owner);
    try {
      await this.#takeUp(hold, ticket.fencingToken === null ? null : BigInt(ticket.fencingToken));
    } finally {
      this.#adopting.delete(owner);
    }
    return mode === 'permits' ? new HeldPermitLease(hold, this.#core) : new HeldLease<F>(hold, this.#core);
  }

  /**
   * Asks the store whether the hold stands, and is what the ticket says: a reader that comes as a writer would be a second one. Whatever comes of
   * that, nothing is freed: the hold is not ours before it was found.
   */
  async #takeUp(hold: Hold, fencingToken: FencingToken): Promise<void> {
    const { backend, calls, holds, events } = this.#core;
    const { plan, request } = hold;
    const { name } = plan;
    const timeoutMs = Math.min(calls.commandTimeoutMs, plan.ttlMs);
    if ((fencingToken === null) === hasToken(plan.mode, backend.capabilities)) throw this.#otherwise(name, fencingToken);
    const stamp = calls.stamp();
    const [stands, isAsSaid] = await calls.run(
      'renew',
      [hold],
      name,
      async (call) => {
        if ((await backend.adopt?.(request, fencingToken, call)) === false) return [null, false];
        const [answer] = await backend.renew([request], call);
        const mustLook = answer === true && backend.adopt === undefined;
        return [answer, !mustLook || isIn(await backend.inspect(name, plan.kind, call), plan, fencingToken)];
      },
      timeoutMs,
    );
    this.#core.assertOpen(name);
    if (!isAsSaid) throw this.#otherwise(name, fencingToken);
    if (stands === false) throw lostError('taken', { lockName: name, backend: backend.name, fencingToken });
    if (stands !== true || elapsedSince(calls.clock, stamp) >= Math.min(plan.ttlMs, holds.facts.sessionMs)) {
      const what = stands === true ? 'the answer came too late to be believed' : 'the store could not tell whether the hold stands';
      throw new LockUnavailableError(`${JSON.stringify(name)} was not adopted: ${what}`, { backend: backend.name, lockName: name });
    }
    holds.dispatch(hold, { type: 'granted', fencingToken, stamp, forMs: undefined });
    const granted = hold.state.grant?.fencingToken ?? null;
    if (events.heard.granted.hasSubscribers) events.emit(plan, { type: 'granted', waitedMs: 0, fencingToken: granted });
  }

  #otherwise(name: string, fencingToken: FencingToken): LockLostError {
    const what = 'the store has no hold that is what the ticket says: of this owner, with this mode, these permits and this fencing token';
    return new LockLostError(`${JSON.stringify(name)} was not adopted: ${what}`, {
      lockName: name,
      backend: this.#core.backend.name,
      fencingToken,
      reason: 'taken',
    });
  }

  #refuseUnable(name: string, mode: HolderState['mode']): void {
    const { backend } = this.#core;
    this.#core.assertOpen(name);
    if (backend.capabilities.expiry === 'session') {
      throw this.#core.unsupported('expiry', 'holds that outlive their session, so none can be passed on', name);
    }
    if (backend.canAdopt?.(mode) === false) throw this.#core.unsupported('expiry', `way to pass on ${mode} holds`, name);
  }
}

/** @throws LockArgumentError LOCK_INVALID_ARGUMENT; no message shows the owner token */
function readTicket(given: LeaseTicket): LeaseTicket {
  checkValue('adopt', 'ticket', given, rule.object);
  const ticket = readOptions('adopt', given, ticketRules, ['name', 'kind', 'mode', 'permits', 'limit', 'owner', 'fencingToken', 'ttlMs']);
  const { name, kind, mode, permits, limit } = ticket;
  checkName('adopt', name);
  checkValue('adopt', 'mode', mode, rule.oneOf(...MODES[kind]));
  checkValue('adopt', 'permits', permits, rule.integer(1, mode === 'permits' ? limit : 1));
  return ticket;
}

function hasToken(mode: HolderState['mode'], { fencing }: Capabilities): boolean {
  return fencing && mode !== 'permits';
}

/** Whether one of the holders may be this one: holders are shown without their owners. */
function isIn({ holders }: LockState, { mode, permits }: HoldPlan, fencingToken: FencingToken): boolean {
  return holders.some(
    (holder) =>
      holder.mode === mode && holder.permits === permits && (holder.fencingToken === null || holder.fencingToken === fencingToken),
  );
}

function isToken(value: unknown): boolean {
  return typeof value === 'string' && /^\d{1,19}$/.test(value) && BigInt(value) <= MAX_FENCING_TOKEN;
}
