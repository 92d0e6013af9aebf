import { checkValue, rule } from '../check-options.js';
import type { FencingToken, Lease, PermitLease } from '../contract/lease.js';
import type { HolderState, LockKind } from '../contract/state.js';
import type { Hold, ReleaseOutcome } from '../hold/hold.js';
import type { HoldRunner } from '../hold/hold-runner.js';
import type { UnusedTokens } from './unused-tokens.js';

/** What a lease needs of its manager. */
export interface LeaseServices {
  readonly holds: HoldRunner;
  /** null: nobody wants to know. */
  readonly unusedTokens: UnusedTokens | null;
}

const ttlRule = rule.duration({ min: 1 });

/** Checks the argument of `extend`. */
export function checkExtend(ttlMs: number | undefined): void {
  if (ttlMs !== undefined) checkValue('extend', 'ttlMs', ttlMs, ttlRule);
}

/** The handle of one hold. All state is in the hold. */
export class HeldLease<F extends FencingToken = FencingToken> implements Lease<F> {
  readonly name: string;
  readonly fencingToken: F;
  /** The same, for what does not count as reading it. */
  readonly #token: FencingToken;
  readonly #hold: Hold;
  readonly #services: LeaseServices;
  /** One answer serves all who ask. */
  #released: Promise<boolean> | null = null;

  constructor(hold: Hold, services: LeaseServices) {
    this.name = hold.plan.name;
    this.fencingToken = (hold.state.grant?.fencingToken ?? null) as F;
    this.#token = this.fencingToken;
    this.#hold = hold;
    this.#services = services;
    services.unusedTokens?.watch(this, hold);
  }

  get kind(): LockKind {
    return this.#hold.plan.kind;
  }

  get mode(): HolderState['mode'] {
    return this.#hold.plan.mode;
  }

  get signal(): AbortSignal {
    // A look at the signal is a look at the clock: it must not say "held" of a hold whose time is up.
    this.#services.holds.isHeld(this.#hold);
    return this.#hold.signal;
  }

  get isHeld(): boolean {
    return this.#services.holds.isHeld(this.#hold);
  }

  get remainingMs(): number {
    return this.#services.holds.remainingMs(this.#hold);
  }

  assertHeld(): void {
    this.#services.holds.assertHeld(this.#hold);
  }

  async extend(ttlMs?: number): Promise<void> {
    checkExtend(ttlMs);
    await this.#services.holds.extend([this.#hold], ttlMs);
  }

  release(): Promise<boolean> {
    if (this.#released === null) {
      this.#services.holds.release([this.#hold]);
      this.#released = (this.#hold.released as Promise<ReleaseOutcome>).then((outcome) => {
        if ('error' in outcome) throw outcome.error;
        return outcome.wasOurs;
      });
    }
    return this.#released;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.release();
    } catch {
      // Reported by the event 'release-failed'; the release goes on in the background.
    }
  }

  toJSON(): Record<string, unknown> {
    return {
      name: this.name,
      fencingToken: this.#token === null ? null : String(this.#token),
      isHeld: this.isHeld,
      remainingMs: this.remainingMs,
    };
  }

  /** The hold of a lease of this manager; null of anything else. */
  static holdIn(services: LeaseServices, lease: unknown): Hold | null {
    return lease instanceof HeldLease && lease.#services === services ? lease.#hold : null;
  }

  /** For what keeps several leases as one; not part of the public interface. */
  static holdOf(lease: HeldLease): Hold {
    return lease.#hold;
  }
}

/** The handle of a hold on permits. */
export class HeldPermitLease extends HeldLease<null> implements PermitLease {
  readonly permits: number;

  constructor(hold: Hold, services: LeaseServices) {
    super(hold, services);
    this.permits = hold.plan.permits;
  }

  override toJSON(): Record<string, unknown> {
    return { ...super.toJSON(), permits: this.permits };
  }
}
