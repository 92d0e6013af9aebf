export type { CalendarPeriod, CalendarWindow } from './calendar.js';
export type { ForEachResult } from './for-each-exclusive.js';
export { createJobLockManager, type JobLockManager, type ProcessOnceResult, type RunOnceResult } from './job-lock-manager.js';
export type { ForEachOptions, JobLockOptions, ProcessOnceOptions, RunOnceOptions } from './job-options.js';
export type { JobMark, JobTarget } from './job-marks.js';
export { createJobSemaphore, type JobSemaphore, type JobSemaphoreOptions } from './job-semaphore.js';
export type { JobGuarantee } from './marked-task.js';
