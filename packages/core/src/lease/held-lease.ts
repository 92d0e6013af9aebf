import { checkValue, rule } from '../check-options.js';
import type { FencingToken, Lease, PermitLease } from '../contract/lease.js';
import type { HoldRecord } from './hold-record.js';
import type { Keeper } from './keeper.js';
import type { Releaser } from './releaser.js';

/** What a lease needs of its manager. */
export interface LeaseServices {
  readonly keeper: Keeper;
  readonly releaser: Releaser;
}

const ttlRule = rule.duration({ min: 1 });

/** Checks the argument of `extend`. */
export function checkExtend(ttlMs: number | undefined): void {
  if (ttlMs !== undefined) checkValue('extend', 'ttlMs', ttlMs, ttlRule);
}

/** The handle of one hold. All state is in the record, which the keeper owns. */
export class HeldLease<F extends FencingToken = FencingToken> implements Lease<F> {
  readonly name: string;
  readonly fencingToken: F;
  readonly #record: HoldRecord;
  readonly #services: LeaseServices;
  #release: Promise<boolean> | null = null;

  constructor(record: HoldRecord, services: LeaseServices) {
    this.name = record.plan.name;
    this.fencingToken = record.fencingToken as F;
    this.#record = record;
    this.#services = services;
  }

  get signal(): AbortSignal {
    // A look at the signal is a look at the clock: it must not say "held" of a hold whose time is up.
    this.#services.keeper.check(this.#record);
    return this.#record.signal;
  }

  get isHeld(): boolean {
    return this.#services.keeper.check(this.#record);
  }

  get remainingMs(): number {
    return this.#services.keeper.remainingMs(this.#record);
  }

  assertHeld(): void {
    this.#services.keeper.assertHeld(this.#record);
  }

  async extend(ttlMs?: number): Promise<void> {
    checkExtend(ttlMs);
    await this.#services.keeper.extend([this.#record], ttlMs);
  }

  release(): Promise<boolean> {
    this.#release ??= this.#services.releaser.release(this.#record);
    return this.#release;
  }

  /** For a release that was carried out as one of many: `release` answers the same. */
  settleRelease(outcome: Promise<boolean>): void {
    if (this.#release !== null) return;
    this.#release = outcome;
    outcome.catch(() => {});
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.release();
    } catch {
      // Told by the event 'release-failed'; it goes on in the background.
    }
  }

  toJSON(): Record<string, unknown> {
    return {
      name: this.name,
      fencingToken: this.fencingToken === null ? null : String(this.fencingToken),
      isHeld: this.isHeld,
      remainingMs: this.remainingMs,
    };
  }

  /** For what keeps several leases as one; not part of the public interface. */
  static recordOf(lease: HeldLease): HoldRecord {
    return lease.#record;
  }
}

/** The handle of a hold on permits. */
export class HeldPermitLease extends HeldLease<null> implements PermitLease {
  readonly permits: number;

  constructor(record: HoldRecord, services: LeaseServices) {
    super(record, services);
    this.permits = record.plan.permits;
  }

  override toJSON(): Record<string, unknown> {
    return { ...super.toJSON(), permits: this.permits };
  }
}
