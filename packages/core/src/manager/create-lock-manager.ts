import { checkName } from '../check-name.js';
import { readOptions, rule } from '../check-options.js';
import type { LockBackend } from '../contract/backend.js';
import type { FencingToken, Lease, LeaseGroup, LeaseMap, TryResult } from '../contract/lease.js';
import type { LockManager, ManagerOptions, Names, ReadWriteLock, Semaphore } from '../contract/manager.js';
import type { LeaseTicket } from '../contract/lease-ticket.js';
import type { CompletionMarks } from '../contract/marks.js';
import type { AcquireOptions, AdoptOptions, CloseOptions, DetachOptions, TryOptions } from '../contract/options.js';
import type { HealthReport } from '../contract/health.js';
import type { LockState } from '../contract/state.js';
import { LockUnsupportedError } from '../errors.js';
import { observedIfWanted } from '../calls/observe-backend.js';
import { HeldLease } from '../lease/held-lease.js';
import type { HeldLeaseGroup } from '../lease/lease-group.js';
import { runTask, type Taken } from '../lease/run-task.js';
import { acquireAll, tryAcquireEach } from './acquire-all.js';
import { checkHealth } from './check-health.js';
import { Closer } from './close.js';
import { completionMarks } from './completion-marks.js';
import { LeaseTransfer } from './lease-transfer.js';
import { listStates } from './list-states.js';
import { ManagerCore } from './manager-core.js';
import { ReadWriteHandle } from './read-write-handle.js';
import { checkBackend, readDrainMs, readPermitLimit } from './resolve-options.js';
import { SemaphoreHandle } from './semaphore-handle.js';
import { acquireLease, splitTask, type TaskArguments, tryAcquireLease, tryWithLease, withLease } from './take-lease.js';

class Manager<F extends FencingToken> implements LockManager<F> {
  readonly backend: string;
  readonly id: string;
  readonly capabilities: LockManager['capabilities'];
  readonly clock: LockManager['clock'];
  readonly leaseDefaults: LockManager['leaseDefaults'];
  readonly marks: CompletionMarks | null;
  readonly #core: ManagerCore<F>;
  readonly #closer: Closer<F>;
  readonly #transfer: LeaseTransfer<F>;

  constructor(backend: LockBackend<F>, options: ManagerOptions | undefined) {
    this.#core = new ManagerCore(backend, options);
    this.#closer = new Closer(this.#core);
    this.#transfer = new LeaseTransfer(this.#core);
    this.backend = backend.name;
    this.id = this.#core.id;
    this.capabilities = backend.capabilities;
    this.clock = this.#core.calls.clock;
    const { ttlMs, renew, maxHoldMs, label } = this.#core.defaults;
    this.leaseDefaults = Object.freeze({ ttlMs, renew, maxHoldMs, label });
    this.marks = completionMarks(this.#core);
  }

  acquire(name: string, options?: AcquireOptions): Promise<Lease<F>> {
    return acquireLease({ core: this.#core, name, target: null, Lease: HeldLease<F> }, options);
  }

  tryAcquire(name: string, options?: TryOptions): Promise<Lease<F> | null> {
    return tryAcquireLease({ core: this.#core, name, target: null, Lease: HeldLease<F> }, options);
  }

  withLock<T>(name: string, ...args: TaskArguments<AcquireOptions, Lease<F>, T>): Promise<T> {
    return withLease({ core: this.#core, name, target: null, Lease: HeldLease<F> }, 'withLock', args);
  }

  tryWithLock<T>(name: string, ...args: TaskArguments<TryOptions, Lease<F>, T>): Promise<TryResult<T>> {
    return tryWithLease({ core: this.#core, name, target: null, Lease: HeldLease<F> }, 'tryWithLock', args);
  }

  async acquireAll<const N extends string>(names: Names<N>, options?: AcquireOptions): Promise<LeaseGroup<N, F>> {
    return await acquireAll(this.#core, 'acquireAll', names, options);
  }

  async withAll<const N extends string, T>(names: Names<N>, ...args: TaskArguments<AcquireOptions, LeaseGroup<N, F>, T>): Promise<T> {
    const { options, task } = splitTask<AcquireOptions, LeaseGroup<N, F>, T>('withAll', args);
    const taking: Promise<HeldLeaseGroup<N, F>> = acquireAll(this.#core, 'withAll', names, options);
    const open = (group: HeldLeaseGroup<N, F>): Taken<LeaseGroup<N, F>> => ({
      lease: group,
      holds: [...group].map((lease) => HeldLease.holdOf(lease as HeldLease<F>)),
    });
    return await runTask(this.#core.holds, taking, open, task);
  }

  async tryAcquireEach<const N extends string>(names: Names<N>, options?: TryOptions): Promise<LeaseMap<N, F>> {
    return await tryAcquireEach(this.#core, names, options);
  }

  semaphore(name: string, options: { readonly permits: number }): Semaphore {
    checkName('semaphore', name);
    const permits = readPermitLimit(options);
    if (!this.capabilities.semaphores) throw this.#core.unsupported('semaphores', 'semaphores', name);
    return new SemaphoreHandle(this.#core, name, permits);
  }

  readWriteLock(name: string): ReadWriteLock<F> {
    checkName('readWriteLock', name);
    if (!this.capabilities.readWriteLocks) throw this.#core.unsupported('readWriteLocks', 'read/write locks', name);
    return new ReadWriteHandle(this.#core, name);
  }

  async detach(lease: Lease<FencingToken>, options?: DetachOptions): Promise<LeaseTicket> {
    return await this.#transfer.detach(lease, options);
  }

  async adopt(ticket: LeaseTicket, options?: AdoptOptions): Promise<Lease<F | null>> {
    return await this.#transfer.adopt(ticket, options);
  }

  async inspect(name: string): Promise<LockState> {
    checkName('inspect', name);
    return await this.#core.inspect(name, 'lock');
  }

  async *list(options?: { readonly prefix?: string | undefined }): AsyncGenerator<LockState, void, undefined> {
    const { prefix = '' } = readOptions('list', options, { prefix: rule.string });
    if (prefix !== '') checkName('list', prefix, 'prefix');
    yield* listStates(this.#core, prefix);
  }

  async forceRelease(name: string): Promise<boolean> {
    checkName('forceRelease', name);
    return await this.#core.forceRelease(name, 'lock');
  }

  async checkHealth(options?: { readonly timeoutMs?: number | undefined }): Promise<HealthReport> {
    const { timeoutMs = this.#core.calls.commandTimeoutMs } = readOptions('checkHealth', options, {
      timeoutMs: rule.duration({ min: 1 }),
    });
    return await checkHealth(this.#core, timeoutMs);
  }

  async close(options?: CloseOptions): Promise<void> {
    await this.#closer.close(readDrainMs(options));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  toJSON(): Record<string, unknown> {
    return { backend: this.backend, capabilities: this.capabilities };
  }
}

/**
 * Makes a manager, which owns the backend from then on: one backend, one manager. Synchronous; first contact with the
 * store is the first call.
 *
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT for a bad option, a backend of another contract version, or one that
 *   has a manager already
 *
 * @example
 * ```ts
 * import { createLockManager } from 'holdfast';
 * import { createMemoryBackend } from 'holdfast/memory';
 *
 * const locks = createLockManager(createMemoryBackend(), { waitMs: 2_000 });
 * await locks.close();
 * ```
 */
export function createLockManager<F extends FencingToken>(backend: LockBackend<F>, options?: ManagerOptions): LockManager<F> {
  checkBackend(backend);
  return new Manager(observedIfWanted(backend), options);
}

/**
 * The assertion at start for a manager whose backend came from configuration.
 *
 * @throws LockUnsupportedError LOCK_UNSUPPORTED when its backend gives no fencing tokens
 *
 * @example
 * ```ts
 * import { requireFencing } from 'holdfast';
 * import { createMemoryLockManager } from 'holdfast/memory';
 *
 * const locks = requireFencing(createMemoryLockManager());
 * await locks.withLock('invoice:42', ({ fencingToken }) => console.log(fencingToken + 1n)); // a bigint, never null
 * await locks.close();
 * ```
 */
export function requireFencing(manager: LockManager): LockManager<bigint> {
  if (manager.capabilities.fencing) return manager as LockManager<bigint>;
  throw new LockUnsupportedError(`the ${manager.backend} backend gives no fencing tokens; choose one that does, or do without them`, {
    backend: manager.backend,
    capability: 'fencing',
  });
}
