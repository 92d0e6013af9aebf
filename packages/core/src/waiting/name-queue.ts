import { AsyncResource } from 'node:async_hooks';
import { CONTEXT, outsideOfContexts } from '../async-context.js';
import type { LockBackend, WaitLine } from '../contract/backend.js';
import { type AnyLockError, isLockError } from '../errors.js';
import type { Asked, Asker, Begun, Busy } from '../hold/asker.js';
import type { Follower } from '../hold/follower.js';
import { type Hold, requestOf } from '../hold/hold.js';
import type { HoldPlan, WaitLimits } from '../hold/hold-plan.js';
import type { HoldRunner } from '../hold/hold-runner.js';
import type { StoreCalls } from '../calls/store-calls.js';
import { backoffMs, pollMs } from './backoff.js';
import { Hearing } from './hearing.js';
import { HoldInFront } from './hold-in-front.js';
import { HolderLook } from './holder-look.js';
import type { LocalTurn } from './local-turn.js';
import type { LocalTurns } from './local-turns.js';
import { OutageWatch } from './outage-watch.js';
import type { RetryRhythm } from './retry-rhythm.js';
import { ShownLine } from './shown-line.js';
import { Wait, type WaitObserver } from './wait.js';
import { WaitLimit } from './wait-limit.js';
import type { WaitEffect, WaitEvent } from './wait-state.js';

/** A place in the store's own queue that is not granted within this is a wait. */
const QUEUED_IS_WAITING_MS = 30;

/** What the queues of one manager share. */
export interface QueueServices {
  readonly backend: LockBackend;
  readonly calls: StoreCalls;
  readonly holds: HoldRunner;
  readonly asker: Asker;
  readonly unavailableAfterMs: number;
  readonly rhythm: RetryRhythm;
  /** null where the store sees to the turns of managers. */
  readonly turns: LocalTurns | null;
  /** A wait has found that it must wait. */
  readonly onContended: (wait: Wait) => void;
  readonly onGranted: (wait: Wait, hold: Hold) => void;
  readonly onRefused: (wait: Wait, error: unknown) => void;
  readonly onEmpty: (queue: NameQueue) => void;
}

/**
 * The waits of one manager for one name. With a plain backend they stand in line and only the first asks the
 * store, or stands in the store's own queue; while the manager itself holds the lock not even that one does. With a fair backend each
 * stands in the store's own queue. What the store last said is shared by all of them.
 */
export class NameQueue implements WaitObserver {
  readonly key: string;
  readonly #name: string;
  readonly #services: QueueServices;
  readonly #waits = new Set<Wait>();
  readonly #hearing: Hearing;
  readonly #outage: OutageWatch;
  readonly #limit: WaitLimit;
  #head: Wait | null = null;
  /** All of them stand in the store's queue. */
  readonly #allStand: boolean;
  /** null where the store sees to the turns of managers. */
  readonly #turn: LocalTurn | null;
  readonly #shown: ShownLine;
  readonly #inFront = new HoldInFront();

  constructor(plan: HoldPlan, services: QueueServices) {
    this.#name = plan.name;
    const { backend, calls, holds, turns, unavailableAfterMs } = services;
    this.key = plan.key;
    this.#services = services;
    this.#allStand = backend.wait !== undefined && backend.capabilities.fair;
    this.#turn = turns?.open(plan.key) ?? null;
    this.#hearing = new Hearing(backend);
    const look = new HolderLook(plan, backend, calls);
    const end = (wait: Wait, reason: unknown): void => this.end(wait, reason);
    this.#outage = new OutageWatch(this.#hearing, look, calls, unavailableAfterMs, { waits: this.#waits, end });
    this.#limit = new WaitLimit({ key: plan.key, askAheadOf: (wait) => this.#askAheadOf(wait), end }, this.#hearing, look, calls, holds);
    this.#shown = new ShownLine(backend, () => this.#line());
  }

  get waits(): readonly Wait[] {
    return [...this.#waits];
  }

  /** A wait is a pending call: it keeps the process alive. @param begun what the first request has brought, which found nobody in front */
  join(plan: HoldPlan, limits: WaitLimits, begun: Begun | null = null): Promise<Hold> {
    const { calls, backend } = this.#services;
    const joinedAt = begun?.joinedAt ?? calls.clock.now();
    const wait = new Wait(plan, limits, begun?.context ?? new AsyncResource(CONTEXT), joinedAt, this);
    calls.keepAlive.begin();
    if (limits.waitMs < Number.POSITIVE_INFINITY) calls.timers.set(wait, joinedAt + HolderLook.startsAfter(limits.waitMs));
    const behind = begun === null ? null : [...this.#waits];
    if (behind !== null) this.#waits.clear();
    this.#waits.add(wait);
    if (behind !== null) for (const each of behind) this.#waits.add(each);
    this.#outage.joined(wait, backend.wait !== undefined);
    if (begun !== null) {
      this.#head = wait;
      wait.take({ type: 'turn', may: 'ask' });
      if ('error' in begun) this.#failed(wait, begun.error, joinedAt);
      else this.#answered(wait, begun.outcome, joinedAt);
    } else if (this.#head === null || this.#allStand) {
      this.#head ??= wait;
      this.#takeTurn(wait);
    } else this.#dispatch(wait, { type: 'behind' });
    return wait.result;
  }

  /** A hold of this manager on this name is being released: the first waiter's request goes with the release, unless one is under way. */
  follow(): Follower | null {
    const wait = this.#head;
    const { at } = wait?.state ?? { at: 'ended' };
    if (wait === null || (at !== 'queued' && at !== 'pausing')) return null;
    this.#services.calls.timers.remove(wait.pauseEntry);
    wait.take({ type: 'turn', may: 'ask' });
    const { asked, follower } = this.#services.asker.follow(wait.plan, wait.context);
    this.#await(wait, asked);
    return follower;
  }

  /** A hold of this manager on this name has ended: its first waiter asks right behind the release. */
  holdEnded(): void {
    this.#turn?.holdEnded();
    this.wakeHead();
  }

  /** Ends a wait that was not granted; a request that is under way ends with it, and whatever it left is freed. */
  end(wait: Wait, reason: unknown): void {
    if (wait.isEnded) return;
    this.#dispatch(wait, { type: 'end', reason });
    this.#settled(wait);
    this.#services.onRefused(wait, reason);
    wait.fail(reason);
    this.#leave(wait);
  }

  due(wait: Wait): void {
    this.#dispatch(wait, { type: 'due' });
  }

  limit(wait: Wait): void {
    this.#limit.due(wait);
  }

  #askAheadOf(wait: Wait): void {
    const head = this.#head;
    if (head === null || head === wait) return;
    const isYielding = head.state.at === 'pausing' && head.state.isDeaf;
    this.#dispatch(head, { type: isYielding ? 'due' : 'woken' });
  }

  /** The first of the line asks. */
  wakeHead(): void {
    if (this.#head !== null) this.#dispatch(this.#head, { type: 'woken' });
  }

  #dispatch(wait: Wait, event: WaitEvent): void {
    for (const effect of wait.take(event)) this.#carryOut(wait, effect);
  }

  #carryOut(wait: Wait, effect: WaitEffect): void {
    const { calls, backend } = this.#services;
    switch (effect.do) {
      case 'take-turn':
        this.#takeTurn(wait);
        return;
      case 'ask':
        this.#ask(wait);
        return;
      case 'timer':
        calls.timers.set(wait.pauseEntry, calls.clock.now() + effect.after);
        return;
      case 'emit':
        // Where all stand in the store's queue, the store itself counts them.
        if (!this.#allStand) this.#shown.open(wait.plan);
        this.#services.onContended(wait);
        return;
      case 'subscribe':
        // A subscription holds nothing, so it has no owner.
        wait.subscription = outsideOfContexts(
          () => backend.subscribe?.(requestOf(wait.plan, ''), () => this.#dispatch(wait, { type: 'woken' })) ?? null,
        );
        return;
      case 'unsubscribe':
        this.#unsubscribe(wait);
        return;
      case 'end-request':
        wait.request?.end(effect.reason);
        return;
      default:
        effect satisfies never;
    }
  }

  #line(): WaitLine {
    const [oldest] = this.#waits;
    const oldestWaitMs = oldest === undefined ? 0 : this.#services.calls.clock.now() - oldest.joinedAt;
    return { waiters: this.#waits.size, oldestWaitMs };
  }

  #takeTurn(wait: Wait): void {
    const { holds, asker } = this.#services;
    // The look at our own hold may report its loss, and somebody end the wait for that: then the turn comes too late to matter.
    const mustStay = !this.#allStand && (asker.first.has(this.key) || holds.holdsExclusively(this.key));
    const pauseMs = mustStay ? 0 : this.#pauseMs(wait);
    this.#dispatch(wait, pauseMs > 0 ? { type: 'yield', forMs: pauseMs } : { type: 'turn', may: mustStay ? 'stay' : 'ask' });
  }

  /** So that others come first; a wait that is soon over has asked before. */
  #pauseMs({ joinedAt, limits }: Wait): number {
    const pauseMs = this.#turn?.pause() ?? 0;
    if (pauseMs === 0 || limits.waitMs === Number.POSITIVE_INFINITY) return pauseMs;
    return Math.min(pauseMs, Math.max(0, joinedAt + limits.waitMs - this.#services.calls.clock.now()) / 4);
  }

  #ask(wait: Wait): void {
    const { backend, asker, calls } = this.#services;
    const { plan, context } = wait;
    const askedAt = calls.clock.now();
    if (backend.wait === undefined) {
      this.#await(wait, asker.request([plan], context));
      return;
    }
    const request = asker.stand(plan, context, () => {
      if (wait.isEnded) return;
      this.#heard();
      this.#dispatch(wait, { type: 'behind' });
    });
    wait.request = request;
    request.result.then(
      (hold) => this.#answered(wait, hold, askedAt),
      (error: unknown) => this.#failed(wait, error as AnyLockError, askedAt),
    );
    // Where the queue reports nothing until the grant, what is not granted soon is waiting.
    if (backend.tellsQueued !== true) calls.timers.set(wait.pauseEntry, askedAt + QUEUED_IS_WAITING_MS);
  }

  #await(wait: Wait, request: Asked<readonly (Hold | Busy)[]>): void {
    const askedAt = this.#services.calls.clock.now();
    wait.request = request;
    request.result.then(
      ([outcome]) => this.#answered(wait, outcome ?? { remainingMs: null }, askedAt),
      (error: unknown) => this.#failed(wait, error as AnyLockError, askedAt),
    );
  }

  #answered(wait: Wait, outcome: Hold | Busy, askedAt: number): void {
    this.#heard();
    this.#turn?.answered(wait.plan, 'plan' in outcome, askedAt);
    if ('plan' in outcome) this.#grant(wait, outcome);
    else if (!wait.isEnded) this.#busy(wait, outcome);
  }

  #grant(wait: Wait, hold: Hold): void {
    // The wait ended while the grant was on its way through the event loop.
    if (wait.isEnded) {
      this.#services.asker.giveBack([hold]);
      return;
    }
    this.#dispatch(wait, { type: 'granted' });
    this.#settled(wait);
    this.#services.onGranted(wait, hold);
    wait.grant(hold);
    this.#leave(wait);
  }

  #busy(wait: Wait, { remainingMs }: Busy): void {
    const { calls, backend } = this.#services;
    const refusals = wait.state.refusals + 1;
    if (backend.wait !== undefined) {
      // Now it stands in the store's queue.
      this.#dispatch(wait, { type: 'busy', isHeard: false, pauseMs: 0 });
      return;
    }
    if (backend.subscribe !== undefined) {
      const isUnrenewed = this.#inFront.isUnrenewed(calls.clock.now(), remainingMs);
      const pauseMs = pollMs(calls.clock, remainingMs, refusals, isUnrenewed);
      this.#dispatch(wait, { type: 'busy', isHeard: wait.subscription !== null, pauseMs });
      return;
    }
    const pauseMs = backoffMs(calls.clock, refusals);
    this.#dispatch(wait, { type: 'busy', isHeard: true, pauseMs: remainingMs === null ? pauseMs : Math.min(pauseMs, remainingMs + 2) });
  }

  #failed(wait: Wait, error: AnyLockError, askedAt: number): void {
    if (wait.isEnded) return;
    if (!isLockError(error, 'LOCK_BACKEND_UNAVAILABLE') || !error.retryable) {
      this.end(wait, error);
      return;
    }
    this.#hearing.failed(error, askedAt);
    this.#outage.failed();
    this.#dispatch(wait, { type: 'failed', pauseMs: this.#services.rhythm.failed(wait.plan.name) });
  }

  #heard(): void {
    this.#hearing.answered(this.#services.calls.clock.now());
    this.#outage.answered();
    this.#services.rhythm.answered(this.#name);
  }

  #settled(wait: Wait): void {
    const { timers, keepAlive } = this.#services.calls;
    timers.remove(wait);
    this.#unsubscribe(wait);
    keepAlive.end();
  }

  #unsubscribe(wait: Wait): void {
    wait.subscription?.close();
    wait.subscription = null;
  }

  /** The one who ends may have been woken, so the next in line asks. */
  #leave(wait: Wait): void {
    this.#waits.delete(wait);
    if (this.#waits.size === 0) {
      this.#outage.stop();
      this.#shown.close();
      this.#head = null;
      this.#services.onEmpty(this);
      return;
    }
    if (this.#head !== wait) return;
    const [next = null] = this.#waits;
    this.#head = next;
    // One deadline, signal or outage may end many in this turn: it is not worth a request for each on its way out.
    if (next !== null) outsideOfContexts(() => queueMicrotask(() => this.#promoted(next)));
  }

  #promoted(wait: Wait): void {
    if (wait.state.at === 'queued') this.#takeTurn(wait);
    else this.#dispatch(wait, { type: 'woken' });
  }
}
