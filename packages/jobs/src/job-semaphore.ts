import { checkValue, type LeaseOptions, type LockManager, type PermitLease, readOptions, rule, type Semaphore } from '@holdfast/core';
import { releaseHeld } from './element-locks.js';
import { jobName } from './job-names.js';
import { defaultRules } from './job-options.js';

/** Options of a job semaphore. */
export interface JobSemaphoreOptions extends Omit<LeaseOptions, 'signal'> {
  /** How many runs of one job there may be at a time, over all instances. The same number everywhere. */
  readonly permits: number;
}

/** Limits how many runs of a job there are at a time, over all instances. */
export interface JobSemaphore {
  /**
   * Takes one permit of the job, without waiting.
   *
   * @returns false when all are taken
   * @throws LockUnavailableError LOCK_BACKEND_UNAVAILABLE when the store does not answer; the job must not run then
   */
  tryAcquire(job: string): Promise<boolean>;
  /**
   * Gives back one permit of the job that this semaphore has taken.
   *
   * @returns false when it has none of this job
   * @throws LockLostError LOCK_LOST when a permit was lost meanwhile. Lost permits are reported first: a permit that is
   *   still held may belong to another run, and is freed by the next call.
   */
  release(job: string): Promise<boolean>;
  /** The leases of the permits that this semaphore has of the job, the oldest first, with their signals. */
  leasesOf(job: string): readonly PermitLease[];
}

class JobPermits implements JobSemaphore {
  readonly #locks: LockManager;
  readonly #options: JobSemaphoreOptions;
  readonly #leases = new Map<string, PermitLease[]>();

  constructor(locks: LockManager, options: JobSemaphoreOptions) {
    this.#locks = locks;
    this.#options = options;
  }

  async tryAcquire(job: string): Promise<boolean> {
    const { name, semaphore } = this.#of('tryAcquire', job);
    const { permits: _, ...lease } = this.#options;
    const taken = await semaphore.tryAcquire(lease);
    if (taken === null) return false;
    const leases = this.#leases.get(name);
    if (leases === undefined) this.#leases.set(name, [taken]);
    else leases.push(taken);
    return true;
  }

  async release(job: string): Promise<boolean> {
    const { name } = this.#of('release', job);
    const leases = this.#leases.get(name) ?? [];
    const lease = leases.find(({ isHeld }) => !isHeld) ?? leases[0];
    if (lease === undefined) return false;
    leases.splice(leases.indexOf(lease), 1);
    if (leases.length === 0) this.#leases.delete(name);
    lease.assertHeld();
    await releaseHeld(lease);
    return true;
  }

  leasesOf(job: string): readonly PermitLease[] {
    return [...(this.#leases.get(jobName('leasesOf', 'job', { job })) ?? [])];
  }

  #of(where: string, job: string): { readonly name: string; readonly semaphore: Semaphore } {
    const name = jobName(where, 'job', { job });
    return { name, semaphore: this.#locks.semaphore(name, { permits: this.#options.permits }) };
  }
}

const rules = { permits: rule.integer(1, 2 ** 31 - 1), ...defaultRules };

/**
 * Makes a job semaphore over any lock manager with semaphores, which stays the caller's.
 *
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT for a bad option
 *
 * @example
 * ```ts
 * import { connect } from 'holdfast';
 * import { createJobSemaphore } from 'holdfast/jobs';
 *
 * const locks = await connect('memory:');
 * const imports = createJobSemaphore(locks, { permits: 2 });
 * if (await imports.tryAcquire('import')) {
 *   console.log('at most two imports at a time, over all instances');
 *   await imports.release('import');
 * }
 * await locks.close();
 * ```
 */
export function createJobSemaphore(locks: LockManager, options: JobSemaphoreOptions): JobSemaphore {
  checkValue('createJobSemaphore', 'locks', locks, rule.object);
  return new JobPermits(locks, readOptions('createJobSemaphore', options, rules, ['permits']));
}
