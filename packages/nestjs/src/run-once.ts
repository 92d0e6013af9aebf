import type { JobLockManager, RunOnceOptions } from '@holdfast/jobs';
import { callUnder } from './held-lease.js';
import { JOB_LOCKS } from './injection.js';
import { checkKey, type KeyOf, nameOf } from './with-lock.js';
import { type MethodDecoratorOf, wrapMethod } from './wrap-method.js';

/**
 * Runs the method once a window, over all servers: `runOnce` of the job locks. Beside `@Cron`, in either order, a job that is due on every server runs on one. A call that runs nothing, because
 * it runs elsewhere or has run in this window, resolves to undefined.
 *
 * @param name of the job, the same on every server; or a function of the method's arguments
 * @param options those of `runOnce`: `windowMs` or `window`, and more
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT for a value that is neither a name nor a function, and for a method of an object that Nest does not make
 */
export function RunOnce<A extends unknown[]>(name: KeyOf<A>, options: RunOnceOptions): MethodDecoratorOf<A> {
  checkKey('RunOnce', 'name', name);
  return wrapMethod<JobLockManager>('RunOnce', JOB_LOCKS, async (jobs, target, args, call) => {
    const result = await jobs.runOnce(nameOf(name, target, args), options, (lease) => callUnder(lease, call));
    return result.ran ? result.value : undefined;
  });
}
