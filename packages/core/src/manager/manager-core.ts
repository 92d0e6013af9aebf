import { randomUUID } from 'node:crypto';
import type { LockBackend } from '../contract/backend.js';
import type { FencingToken } from '../contract/lease.js';
import type { LockKind, LockState } from '../contract/state.js';
import type { AcquireOptions, PermitCount } from '../contract/options.js';
import type { ManagerOptions } from '../contract/manager.js';
import { LockClosedError, LockUnsupportedError } from '../errors.js';
import { EventSource } from '../events.js';
import type { HoldPlan } from '../hold/hold-plan.js';
import { Asker } from '../hold/asker.js';
import { HoldRunner } from '../hold/hold-runner.js';
import { longestTtlMs, storeTtlMs } from '../hold/hold-times.js';
import { withToJSON } from '../json.js';
import { UnusedTokens } from '../lease/unused-tokens.js';
import { KeepAlive } from '../calls/keep-alive.js';
import { StoreCalls } from '../calls/store-calls.js';
import { TimerQueue } from '../time/timer-queue.js';
import { toldState } from '../told-state.js';
import { acquireChannel, traceAcquire } from '../tracing.js';
import { Acquirer } from '../waiting/acquirer.js';
import { LimitWatch } from './limit-watch.js';
import { permitRule, type ResolvedLeaseOptions, resolveLeaseOptions, resolveManagerOptions } from './resolve-options.js';

/** What is wanted, before options are resolved; its name apart. */
export type Target = Pick<HoldPlan, 'kind' | 'mode' | 'limit'>;

/** The parts of one manager, put together: what the handles of locks, semaphores and read/write locks share. */
export class ManagerCore<F extends FencingToken> {
  readonly backend: LockBackend<F>;
  readonly events: EventSource;
  readonly calls: StoreCalls;
  readonly timers: TimerQueue;
  readonly keepAlive = new KeepAlive();
  readonly holds: HoldRunner;
  readonly asker: Asker;
  readonly acquirer: Acquirer;
  readonly unusedTokens: UnusedTokens | null;
  readonly defaults: ResolvedLeaseOptions;
  /** Of this manager in this process, and most likely in all. */
  readonly id = randomUUID().slice(0, 8);
  /** What the store is given for the default `ttlMs`. */
  readonly defaultStoreTtlMs: number;
  isClosing = false;
  /** How many calls were planned. */
  planned = 0;

  constructor(backend: LockBackend<F>, options: ManagerOptions | undefined) {
    const resolved = resolveManagerOptions(options);
    this.backend = backend;
    const { lease } = resolved;
    // What nobody asked for is fitted to the backend; what somebody did is refused where it does not fit.
    this.defaults = resolved.isTtlDefault ? { ...lease, ttlMs: longestTtlMs(backend, lease.ttlMs) } : lease;
    this.defaultStoreTtlMs = storeTtlMs(backend, this.defaults.ttlMs);
    this.timers = new TimerQueue(resolved.clock);
    this.events = new EventSource(backend.name, this.id, resolved.onEvent, () => resolved.clock.wall());
    this.calls = new StoreCalls(backend, resolved.clock, this.timers, this.keepAlive, resolved.commandTimeoutMs, this.events);
    backend.onNodeChanged?.((health) => {
      if (this.events.heard['node-changed'].hasSubscribers)
        this.events.emitNode({ type: 'node-changed', health: withToJSON({ ...health }) });
    });
    const limits = new LimitWatch(this.events);
    backend.onLimitDiffers?.((seen) => limits.differs(seen));
    this.holds = new HoldRunner(backend, this.calls, this.events);
    const unused = resolved.warnUnusedTokens ? new UnusedTokens() : null;
    this.unusedTokens = unused;
    if (unused !== null) this.holds.onEnd((hold) => unused.ended(hold));
    this.asker = new Asker(backend, this.calls, this.holds, this.events);
    const { calls, holds, asker, events } = this;
    this.acquirer = new Acquirer({ backend, calls, holds, asker, unavailableAfterMs: resolved.unavailableAfterMs }, events);
  }

  /** @throws LockClosedError LOCK_CLOSED */
  assertOpen(lockName: string | null = null): void {
    if (this.isClosing) throw new LockClosedError('the lock manager is closed', { backend: this.backend.name, lockName });
  }

  /** Reads and checks the options of one call, once, whatever number of names it is for; before any I/O. */
  resolve(where: string, options: (AcquireOptions & PermitCount) | undefined, { mode, limit }: Target): ResolvedLeaseOptions {
    return resolveLeaseOptions(where, options, this.defaults, mode === 'permits' ? permitRule(limit, this.backend) : null);
  }

  /** Shows the call to everybody who traces. */
  traced<T>(
    operation: string,
    plans: readonly HoldPlan[],
    waitMs: number,
    task: () => Promise<T>,
    outcomeOf: (value: T) => 'granted' | 'busy',
  ): Promise<T> {
    if (!acquireChannel.hasSubscribers) return task();
    return traceAcquire({ operation, backend: this.backend.name, managerId: this.id }, plans, waitMs, task, outcomeOf);
  }

  async inspect(name: string, kind: LockKind): Promise<LockState> {
    this.assertOpen(name);
    return toldState(await this.calls.run('inspect', 1, name, (call) => this.backend.inspect(name, kind, call)));
  }

  async forceRelease(name: string, kind: LockKind): Promise<boolean> {
    this.assertOpen(name);
    const mine = this.holds.standing().filter(({ plan }) => plan.name === name && plan.kind === kind);
    const freed = await this.calls.run('forceRelease', 1, name, (call) => this.backend.forceRelease(name, kind, call));
    // Only those that stood before: a waiter of ours may have been granted since.
    if (freed) for (const hold of mine) this.holds.dispatch(hold, { type: 'gone', reason: 'forced' });
    return freed;
  }

  unsupported(capability: keyof LockBackend['capabilities'], what: string, lockName: string | null = null): LockUnsupportedError {
    return new LockUnsupportedError(`the ${this.backend.name} backend has no ${what}`, {
      backend: this.backend.name,
      capability,
      lockName,
    });
  }
}
