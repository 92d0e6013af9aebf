import type { Clock, HolderState, HoldRequest, LockKind, LockManager, LockState } from '@holdfast/core';
import { kindOf } from './kind-of.js';
import type { MigrationPhase, MigrationSide } from './phase.js';
import { inspectSide } from './side-holds.js';

/** What an operator can observe of a migration. */
export type MigrationEvent =
  /** This manager's phase has changed: new holds are of the new phase, old ones may still stand. */
  | {
      readonly type: 'phase';
      /** The phase until now. */
      readonly before: MigrationPhase;
      /** The phase from now on. */
      readonly phase: MigrationPhase;
      /** Wall-clock milliseconds since the epoch. */
      readonly at: number;
    }
  /**
   * In `both`, a name was free on one side and busy on the other: somebody uses the busy side alone. While processes
   * go from `from` to `both`, or from `both` to `to`, that is expected; afterwards it names a process that was forgotten. A hold
   * on `from` of less than a tenth of a second may go unseen: it looks like one that is between its two steps.
   */
  | {
      readonly type: 'one-sided';
      /** The name that was looked at. */
      readonly name: string;
      /** Of which kind it is. */
      readonly kind: LockKind;
      /** The side on which nobody had it. */
      readonly free: MigrationSide;
      /** The side on which somebody had it. */
      readonly busy: MigrationSide;
      /** Who has the busy side, as far as its store can tell. */
      readonly holders: readonly HolderState[];
      /** Wall-clock milliseconds since the epoch. */
      readonly at: number;
    };

/** The one who takes both sides has only one of them for a moment: one that is seen twice, so far apart, has only that one. */
const CONFIRM_MS = 100;
/** A wait that is not over by then is looked at. */
const LOOK_AFTER_MS = 100;
/** One look at a name in this time; there may be many who wait for it. */
const AGAIN_AFTER_MS = 1_000;

/** Finds out why a name was busy, in the background and only when somebody listens. */
export class OneSidedWatch {
  readonly #sides: Readonly<Record<MigrationSide, LockManager>>;
  readonly #listener: ((event: MigrationEvent) => unknown) | undefined;
  readonly #clock: Clock;
  readonly #looked = new Map<string, number>();
  #isClosed = false;

  constructor(
    sides: Readonly<Record<MigrationSide, LockManager>>,
    listener: ((event: MigrationEvent) => unknown) | undefined,
    clock: Clock,
  ) {
    this.#sides = sides;
    this.#listener = listener;
    this.#clock = clock;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  close(): void {
    this.#isClosed = true;
  }

  /** Tells the listener. What it throws or rejects is swallowed: an observer must not be able to hurt a lease. */
  tell(event: MigrationEvent): void {
    if (this.#listener === undefined) return;
    try {
      const answer = this.#listener(event);
      if (typeof answer === 'object' && answer !== null && 'then' in answer) Promise.resolve(answer).catch(() => {});
    } catch {
      // See above.
    }
  }

  /** `busy` refused a request that has taken the sides before it. */
  refused(request: HoldRequest, busy: MigrationSide): void {
    if (this.#listener === undefined || this.#isClosed || !this.#isDue(request)) return;
    const look = busy === 'to' ? this.#lookAtTarget(request) : this.#lookAtBoth(request);
    // A side that is out of reach is reported by the call that needed it.
    look.catch(() => {});
  }

  /** A request waits for `side`; it is looked at if that takes long. The answer ends the watch. */
  waiting(request: HoldRequest, side: MigrationSide): () => void {
    if (this.#listener === undefined) return () => {};
    const timer = this.#clock.setTimer(LOOK_AFTER_MS, () => {
      this.refused(request, side);
    });
    return () => timer.cancel();
  }

  /** `from` was ours when `to` refused, so the one who has `to` has not taken `from`. */
  async #lookAtTarget(request: HoldRequest): Promise<void> {
    const state = await inspectSide(this.#sides.to, request.name, kindOf(request.mode));
    if (state.held) this.#tellOneSided(request, 'from', 'to', state);
  }

  async #lookAtBoth(request: HoldRequest): Promise<void> {
    const before = await this.#both(request);
    if (!isMore(before.from, before.to)) return;
    await new Promise<void>((resolve) => {
      this.#clock.setTimer(CONFIRM_MS, resolve);
    });
    if (this.#isClosed) return;
    const after = await this.#both(request);
    // Another holder in between may have been caught in the middle of its own two steps.
    if (isMore(after.from, after.to) && holderOf(before.from) === holderOf(after.from)) {
      this.#tellOneSided(request, 'to', 'from', after.from);
    }
  }

  async #both(request: HoldRequest): Promise<Readonly<Record<MigrationSide, LockState>>> {
    const kind = kindOf(request.mode);
    // The side that is taken first is looked at first: the one who takes both shows up in the second look, not only in the first.
    const from = await inspectSide(this.#sides.from, request.name, kind);
    return { from, to: await inspectSide(this.#sides.to, request.name, kind) };
  }

  #tellOneSided(request: HoldRequest, free: MigrationSide, busy: MigrationSide, state: LockState): void {
    if (this.#isClosed) return;
    const holders = busy === 'from' ? state.holders.map((holder) => ({ ...holder, fencingToken: null })) : state.holders;
    this.tell({ type: 'one-sided', name: request.name, kind: kindOf(request.mode), free, busy, holders, at: this.#clock.wall() });
  }

  #isDue(request: HoldRequest): boolean {
    const now = this.#clock.now();
    const key = `${kindOf(request.mode)}:${request.name}`;
    const last = this.#looked.get(key);
    if (last !== undefined && now - last < AGAIN_AFTER_MS) return false;
    if (this.#looked.size > 1_000) {
      for (const [old, at] of this.#looked) if (now - at >= AGAIN_AFTER_MS) this.#looked.delete(old);
    }
    this.#looked.set(key, now);
    return true;
  }
}

function isMore(a: LockState, b: LockState): boolean {
  const used = ({ held, holders }: LockState): number =>
    holders.length === 0 ? Number(held) : holders.reduce((sum, { permits }) => sum + permits, 0);
  return used(a) > used(b);
}

/** Who it is, as well as the store can tell. */
function holderOf(state: LockState): string {
  return state.holders.map(({ label, mode, permits, fencingToken }) => `${label} ${mode} ${permits} ${fencingToken}`).join('\n');
}
