import { Inject } from '@nestjs/common';

/** The token of the lock manager: `@Inject(LOCK_MANAGER) locks: LockManager`. */
export const LOCK_MANAGER: symbol = Symbol.for('@holdfast/nestjs: the lock manager of LockModule');

/** The token of the job locks on that manager: `@Inject(JOB_LOCKS) jobs: JobLockManager`. */
export const JOB_LOCKS: symbol = Symbol.for('@holdfast/nestjs: the job locks of LockModule');

/** Injects the lock manager, into a constructor's parameter or a property. */
export function InjectLocks(): PropertyDecorator & ParameterDecorator {
  return Inject(LOCK_MANAGER);
}

/** Injects the job locks, into a constructor's parameter or a property. */
export function InjectJobLocks(): PropertyDecorator & ParameterDecorator {
  return Inject(JOB_LOCKS);
}
