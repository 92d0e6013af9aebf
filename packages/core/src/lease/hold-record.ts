import { setMaxListeners } from 'node:events';
import type { Stamp } from '../contract/backend.js';
import type { Clock } from '../contract/clock.js';
import type { FencingToken } from '../contract/lease.js';
import type { LockLostError } from '../errors.js';
import { elapsedSince } from '../store/stamp.js';
import type { TimerEntry } from '../store/timer-queue.js';
import type { HoldPlan } from './hold-plan.js';

/**
 * What the keeper knows of one hold. The deadline is kept on both clocks (see `elapsedSince`), and moves only
 * forward: the store never shortens a hold, so the later of two deadlines is as true as the earlier.
 */
export class HoldRecord implements TimerEntry {
  readonly plan: HoldPlan;
  readonly owner: string;
  readonly fencingToken: FencingToken;
  /** When the granting request was stamped. */
  readonly grantedAt: Stamp;
  dueAt = 0;
  heapIndex = -1;
  /** Monotonic time of the next renewal or verification. */
  renewAt = Number.POSITIVE_INFINITY;
  isRenewing = false;
  /** The longest that the store was ever told, without the guard time: it may keep the hold for so long. */
  longestTtlMs: number;
  state: 'held' | 'releasing' | 'released' | 'lost' = 'held';
  lost: LockLostError | null = null;
  /** The release found nothing to free: it had been lost, and nobody had been told. */
  wasGone = false;
  #untilNow = 0;
  #untilWall = 0;
  #capMs: number;
  #controller: AbortController | null = null;
  #onLost: ((error: LockLostError) => void)[] | null = null;
  readonly #due: (record: HoldRecord) => void;

  /** @param capMs how long after the grant the hold ends whatever is heard of it: a session hold without renewal has one */
  constructor(
    plan: HoldPlan,
    owner: string,
    fencingToken: FencingToken,
    grantedAt: Stamp,
    capMs: number,
    due: (record: HoldRecord) => void,
  ) {
    this.plan = plan;
    this.longestTtlMs = plan.ttlMs;
    this.owner = owner;
    this.fencingToken = fencingToken;
    this.grantedAt = grantedAt;
    this.#capMs = capMs;
    this.#due = due;
  }

  onDue(): void {
    this.#due(this);
  }

  /** Moves the deadline to `stamp + ms`, never back. */
  holdUntil(stamp: Stamp, ms: number): void {
    this.#untilNow = Math.max(this.#untilNow, stamp.now + ms);
    this.#untilWall = Math.max(this.#untilWall, stamp.wall + ms);
  }

  /** Moves the cap as `holdUntil` moves the deadline. */
  capUntil(stamp: Stamp, ms: number): void {
    this.#capMs = Math.max(this.#capMs, stamp.now - this.grantedAt.now + ms);
  }

  /** What is left by the clock alone; 0 or less says that the deadline has passed. */
  remaining(clock: Clock): number {
    const deadline = Math.min(this.#untilNow - clock.now(), this.#untilWall - clock.wall());
    const limit = Math.min(this.#capMs, this.plan.maxHoldMs);
    return limit === Number.POSITIVE_INFINITY ? deadline : Math.min(deadline, limit - elapsedSince(clock, this.grantedAt));
  }

  /** Whether the hold has stood for as long as `maxHoldMs` allows. */
  isAtMaxHold(clock: Clock): boolean {
    return this.plan.maxHoldMs !== Number.POSITIVE_INFINITY && elapsedSince(clock, this.grantedAt) >= this.plan.maxHoldMs;
  }

  /** Made on demand: most holders never look at it. */
  get signal(): AbortSignal {
    if (this.#controller === null) {
      this.#controller = new AbortController();
      // One listener for each thing that the task starts is normal use, not a leak.
      setMaxListeners(0, this.#controller.signal);
      if (this.lost !== null) this.#controller.abort(this.lost);
    }
    return this.#controller.signal;
  }

  onLost(listener: (error: LockLostError) => void): void {
    if (this.lost !== null) listener(this.lost);
    else (this.#onLost ??= []).push(listener);
  }

  /** Latches the loss and tells everybody. */
  lose(error: LockLostError): void {
    this.state = 'lost';
    this.lost = error;
    for (const listener of this.#onLost ?? []) listener(error);
    this.#onLost = null;
    this.#controller?.abort(error);
  }
}
