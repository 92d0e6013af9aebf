import { checkValue, MAX_RETENTION_MS, type OptionRule, readOptions, rule } from '@holdfast/core';
import type { JobLockManager, RunOnceResult } from '../job-lock-manager.js';

/** What node-cron 4.6 and later ask before each run of a `distributed` task, and tell behind it. */
export interface RunCoordinator {
  /**
   * Whether this process is the one that runs the task this time. Rejects with LOCK_BACKEND_UNAVAILABLE when the store does not answer;
   * node-cron then leaves the run out, and reports it by `execution:skipped` with the reason `coordinator-error`.
   *
   * @param key the name of the task, which node-cron demands, and the time for which it was due: `report:2026-03-29T03:00:00.000Z`
   * @param ttlMs the task's `distributedLease`: the ttl of the lock, which is renewed while the task runs
   */
  shouldRun(key: string, ttlMs: number): Promise<boolean>;
  /** The run has ended. Rejects with LOCK_LOST when its lock was lost meanwhile; node-cron logs that. */
  onComplete(key: string): Promise<void>;
}

/** Options of `createRunCoordinator`. */
export interface RunCoordinatorOptions {
  /**
   * For how long it is remembered that a run was given to a process, in milliseconds by the store's clock: longer than clocks of servers
   * may differ. @default 86_400_000 (a day)
   */
  readonly retentionMs?: number | undefined;
}

interface Run {
  readonly end: () => void;
  readonly done: Promise<RunOnceResult<void>>;
}

const DAY_MS = 86_400_000;
/** A lock manager, which is handed in by mistake, has no `runOnce`. */
const jobLocksRule: OptionRule = (value) =>
  typeof (value as Partial<JobLockManager> | null | undefined)?.runOnce === 'function'
    ? null
    : 'must be job locks, as createJobLockManager makes them of a lock manager';

/**
 * Lets node-cron's `distributed` tasks run on one of several servers each time that they are due: `setRunCoordinator(createRunCoordinator(jobs))`.
 * Each due time is given to one server, once, whether the run succeeds or not (`at-most-once`); its lock, `once/<key>`, is held while it runs.
 *
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT for a bad option
 *
 * @example
 * ```ts
 * import { connect } from 'holdfast';
 * import { createJobLockManager } from 'holdfast/jobs';
 * import { createRunCoordinator } from 'holdfast/jobs/node-cron';
 * import { setRunCoordinator } from 'node-cron';
 *
 * const locks = await connect('memory:');
 * setRunCoordinator(createRunCoordinator(createJobLockManager(locks)));
 * await locks.close();
 * ```
 */
export function createRunCoordinator(jobLocks: JobLockManager, options?: RunCoordinatorOptions): RunCoordinator {
  checkValue('createRunCoordinator', 'jobLocks', jobLocks, jobLocksRule);
  const rules = { retentionMs: rule.duration({ min: 1, max: MAX_RETENTION_MS }) };
  const { retentionMs = DAY_MS } = readOptions<RunCoordinatorOptions>('createRunCoordinator', options, rules);
  const runs = new Map<string, Run>();
  return {
    async shouldRun(key, ttlMs) {
      let end!: () => void;
      const ended = new Promise<void>((resolve) => {
        end = resolve;
      });
      return await new Promise<boolean>((resolve, reject) => {
        const once = { windowMs: Math.max(retentionMs, ttlMs), ttlMs, guarantee: 'at-most-once' } as const;
        const done = jobLocks.runOnce(key, once, async () => {
          runs.set(key, { end, done });
          resolve(true);
          await ended;
        });
        // Once it runs, what becomes of it is for onComplete.
        done.then(({ ran }) => resolve(ran), reject);
      });
    },
    async onComplete(key) {
      const run = runs.get(key);
      runs.delete(key);
      run?.end();
      await run?.done;
    },
  };
}
