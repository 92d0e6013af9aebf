import { nobodysContext } from '../async-context.js';
import type { LockBackend } from '../contract/backend.js';
import type { LockLostError, LostReason } from '../errors.js';
import type { EventSource } from '../events.js';
import type { StoreCalls } from '../calls/store-calls.js';
import { remainingMs } from './deadline.js';
import type { Follower } from './follower.js';
import type { Hold, HoldKeeper, ReleaseOutcome } from './hold.js';
import type { HoldEffect, HoldEvent, HoldState, StoreFacts } from './hold-state.js';
import { storeFacts, storeTtlMs } from './hold-times.js';
import { lostError } from './lost-error.js';
import { HoldReports } from './hold-reports.js';
import { OwnShares } from './own-shares.js';
import { ReleaseOutbox } from './release-outbox.js';
import { type Confirmed, RenewalOutbox } from './renewal-outbox.js';

/**
 * Has every hold of one manager: hands events to the machine, carries out what follows, and knows which holds stand, are being freed
 * or are in doubt.
 */
export class HoldRunner implements HoldKeeper {
  readonly #backend: LockBackend;
  readonly #calls: StoreCalls;
  readonly #events: EventSource;
  readonly reports: HoldReports;
  readonly facts: StoreFacts;
  readonly #held = new Map<string, Hold>();
  readonly #exclusive = new Map<string, Hold>();
  /** null where the store sees to the turns of managers: then nobody asks. */
  readonly #shares: OwnShares | null;
  /** Being freed, for a caller or in the background. */
  readonly #leaving = new Set<Hold>();
  readonly #renewals: RenewalOutbox;
  readonly #releases: ReleaseOutbox;
  #whenChanged: (() => void)[] = [];
  readonly #onEnd: ((hold: Hold) => void)[] = [];

  constructor(backend: LockBackend, calls: StoreCalls, events: EventSource) {
    this.#backend = backend;
    this.#calls = calls;
    this.#events = events;
    this.reports = new HoldReports(backend.name, calls, events);
    this.facts = storeFacts(backend, calls.commandTimeoutMs);
    this.#shares = backend.wait === undefined ? new OwnShares() : null;
    this.#renewals = new RenewalOutbox(backend, calls, this, this.facts);
    this.#releases = new ReleaseOutbox(backend, calls, this);
    backend.onLost?.(({ owner }, reason) => {
      const hold = this.#held.get(owner);
      if (hold !== undefined) this.dispatch(hold, { type: 'gone', reason });
    });
  }

  /** Has `listener` called when a hold ends for its caller, however it ends. */
  onEnd(listener: (hold: Hold) => void): void {
    this.#onEnd.push(listener);
  }

  /** Has `next` asked which waiter's request goes with the release of a hold, where the backend takes one. */
  onRelease(next: (hold: Hold) => Follower | null): void {
    if (this.#backend.takesNext === true) this.#releases.onRelease(next);
  }

  /** How many stand. */
  get heldCount(): number {
    return this.#held.size;
  }

  /** How many are being freed, or are in doubt. */
  get leavingCount(): number {
    return this.#leaving.size;
  }

  /** Resolves when a hold has ended, or has left the store. */
  changed(): Promise<void> {
    return new Promise((resolve) => {
      this.#whenChanged.push(resolve);
    });
  }

  standing(): readonly Hold[] {
    return [...this.#held.values()];
  }

  /** Whether this manager itself holds the key against everybody else. */
  holdsExclusively(key: string): boolean {
    const hold = this.#exclusive.get(key);
    return hold !== undefined && this.isHeld(hold);
  }

  /** Permits of the key that this manager has, those included whose release is under way; any other hold counts as one. */
  shareOf(key: string): number {
    return this.#shares?.of(key) ?? 0;
  }

  /** Whether the hold may be believed in now. Latches the loss when its time is up. */
  isHeld(hold: Hold, now = this.#calls.stamp()): boolean {
    if (hold.state.at !== 'held') return false;
    if (remainingMs(hold.state, now) > 0 && (this.#backend.remainingMs === undefined || this.#vouchedMs(hold) > 0)) return true;
    this.dispatch(hold, { type: 'expired' });
    return false;
  }

  /** Whole milliseconds, never more than are left: 0 in the last one, though the hold stands. */
  remainingMs(hold: Hold): number {
    if (!this.isHeld(hold) || hold.state.at !== 'held') return 0;
    const left = Math.min(remainingMs(hold.state, this.#calls.stamp()), this.#vouchedMs(hold));
    return Math.max(0, Math.floor(left));
  }

  /** @throws LockLostError when the hold has ended */
  assertHeld(hold: Hold): void {
    if (!this.isHeld(hold)) throw hold.lost ?? this.errorOf(hold, 'released');
  }

  /** What is reported of a hold that had ended: released, or found gone by its release. */
  errorOf(hold: Hold, reason: LostReason): LockLostError {
    return lostError(reason, {
      lockName: hold.plan.name,
      backend: this.#backend.name,
      fencingToken: hold.state.grant?.fencingToken ?? null,
    });
  }

  /** Moves the deadlines by hand; see `Hold.extend` of the contract. */
  async extend(holds: readonly Hold[], ttlMs: number | undefined): Promise<void> {
    for (const hold of holds) {
      this.assertHeld(hold);
      // Too long for the backend: refused before anything is sent.
      storeTtlMs(this.#backend, ttlMs ?? hold.plan.ttlMs);
    }
    try {
      await Promise.all(
        holds.map((hold) => {
          this.dispatch(hold, { type: 'extend', ttlMs: ttlMs ?? hold.plan.ttlMs });
          return this.#renewals.extended(hold);
        }),
      );
    } finally {
      // What ended while the store did not answer is lost, and to ask again would not help.
      for (const hold of holds) this.assertHeld(hold);
    }
  }

  /**
   * Lets go of a hold that stands, once the store keeps it for another `ttlMs`, and nothing of ours can act on it any more.
   *
   * @throws LockLostError when the hold has ended
   */
  async detach(hold: Hold, ttlMs: number | undefined): Promise<void> {
    await this.extend([hold], ttlMs);
    // A renewal that is still on its way could put back, on some node of several, what its next holder has freed meanwhile.
    await this.#renewals.settled(hold);
    this.assertHeld(hold);
    this.dispatch(hold, { type: 'detach' });
  }

  /** Whether a hold of this owner stands, or is being freed. */
  has(owner: string): boolean {
    if (this.#held.has(owner)) return true;
    for (const hold of this.#leaving) if (hold.owner === owner) return true;
    return false;
  }

  /** Frees holds, all in one call, in the order given, each once however often it is asked for; `Hold.released` is its outcome. */
  release(holds: readonly Hold[]): void {
    const begun: Hold[] = [];
    const batch = holds.length > 1 ? this.#releases.beginBatch(holds) : null;
    const now = this.#calls.stamp();
    for (const hold of holds) {
      if (hold.released !== null) continue;
      // In no caller's context: a hold may be in doubt for long after its caller has gone.
      hold.released = nobodysContext.runInAsyncScope(
        () =>
          new Promise((resolve) => {
            hold.settle = resolve;
          }),
      );
      if (this.isHeld(hold, now)) {
        this.dispatch(hold, { type: 'release' }, now, true);
        begun.push(hold);
        continue;
      }
      // What the deadline ended may still stand in the store: its task is done now.
      if (hold.state.at === 'doubtful') this.dispatch(hold, { type: 'release' });
      hold.settle?.({ wasOurs: false });
    }
    // Sent before this manager's waiters hear of it, so that the next one's request comes right behind.
    if (batch !== null) this.#releases.sendBatch(batch);
    for (const hold of begun) if (hold.state.at === 'releasing') for (const listener of this.#onEnd) listener(hold);
  }

  /**
   * How many of these, whose release was asked for, it freed, once all were answered.
   *
   * @throws the first failure, when not all were answered
   */
  async released(holds: readonly Hold[]): Promise<number> {
    const outcomes: ReleaseOutcome[] = [];
    for (const { released } of holds) if (released !== null) outcomes.push(await released);
    let freed = 0;
    for (const outcome of outcomes) {
      if ('error' in outcome) throw outcome.error;
      if (outcome.wasOurs) freed += 1;
    }
    return freed;
  }

  due(hold: Hold): void {
    if (hold.state.at !== 'held' || this.isHeld(hold)) this.dispatch(hold, { type: 'due' });
  }

  /** Sends again what waits for its next release. */
  hasten(): void {
    for (const hold of this.#leaving) if (hold.state.at === 'doubtful') this.dispatch(hold, { type: 'release' });
  }

  /** One answer has confirmed these: all of them stand before anybody hears of one, for who hears of it may be slow. */
  renewed(confirmed: readonly Confirmed[]): void {
    const now = this.#calls.stamp();
    const isHeard = this.#events.heard.renewed.hasSubscribers;
    const left = isHeard ? confirmed.map(({ hold: { state } }) => (state.at === 'held' ? remainingMs(state, now) : null)) : null;
    for (const { hold, event } of confirmed) this.dispatch(hold, event, now);
    if (left === null) return;
    for (const [index, { hold, ttlMs }] of confirmed.entries()) {
      const leftMs = left[index] ?? null;
      if (leftMs !== null && hold.state.at === 'held') hold.inContext(() => this.reports.renewed(hold, leftMs, ttlMs));
    }
  }

  /** Hands an event to the machine and carries out what follows. @param silently who waits for the end of the hold hears of it later @returns the state after it */
  dispatch(hold: Hold, event: HoldEvent, now = this.#calls.stamp(), silently = false): HoldState {
    const { at: before } = hold.state;
    const effects = hold.take(event, now);
    const { at } = hold.state;
    if (before !== at) {
      const { owner, plan } = hold;
      if (at === 'held') {
        this.#held.set(owner, hold);
        if (plan.mode === 'exclusive' || plan.mode === 'write') this.#exclusive.set(plan.key, hold);
        this.#shares?.add(hold);
      } else if (before === 'held') {
        this.#held.delete(owner);
        if (this.#exclusive.get(plan.key) === hold) this.#exclusive.delete(plan.key);
      }
      if (before === 'releasing' || (before === 'held' && at !== 'releasing')) this.#shares?.remove(hold);
      if (at === 'releasing' || at === 'doubtful') this.#leaving.add(hold);
      else if (before !== 'asking') this.#leaving.delete(hold);
      if (this.#whenChanged.length > 0) for (const resolve of this.#whenChanged.splice(0)) resolve();
    }
    for (const effect of effects) this.#carryOut(hold, effect);
    // Nothing of the hold's is observed any more.
    if (at === 'ended') hold.context = null;
    if (!silently && before !== at && (before === 'held' || before === 'releasing')) for (const listener of this.#onEnd) listener(hold);
    return hold.state;
  }

  /** Gives up: the backend is closed, and what remains ends by itself or with the session. */
  close(): void {
    this.#leaving.clear();
    this.#releases.close();
  }

  #carryOut(hold: Hold, effect: HoldEffect): void {
    switch (effect.do) {
      case 'timer':
        this.#calls.timers.set(hold, effect.at);
        return;
      case 'send':
        if (effect.what === 'release') this.#releases.add(hold, effect.soon);
        else if (effect.what === 'renewal') this.#renewals.add(hold, effect.ttlMs);
        else this.#renewals.extend(hold, effect.ttlMs);
        return;
      case 'settle':
        hold.settle?.(effect);
        return;
      case 'abort':
        hold.inContext(() => hold.abort(effect.error));
        return;
      case 'emit':
        if (this.#events.heard[effect.type].hasSubscribers) hold.inContext(() => this.reports.report(hold, effect));
        return;
      default:
        effect satisfies never;
    }
  }

  /** For how long the backend itself can vouch for the hold. */
  #vouchedMs({ owner }: Hold): number {
    return this.#backend.remainingMs === undefined ? Number.POSITIVE_INFINITY : this.#backend.remainingMs(owner);
  }
}
