import {
  type LeaseOptions,
  LockArgumentError,
  MAX_LABEL_BYTES,
  MAX_RETENTION_MS,
  type OptionRule,
  readOptions,
  rule,
} from '@holdfast/core';
import { type CalendarWindow, calendarRule, shortestPeriodMs } from './calendar.js';
import type { JobGuarantee } from './marked-task.js';

/** What every lease of a manager of jobs has in common. */
export const defaultRules = {
  ttlMs: rule.duration({ min: 1 }),
  renew: rule.boolean,
  maxHoldMs: rule.duration({ min: 1, infinity: true }),
  label: rule.text(MAX_LABEL_BYTES),
} satisfies Record<keyof Omit<LeaseOptions, 'signal'>, OptionRule>;

const lease = { ...defaultRules, signal: rule.signal } satisfies Record<keyof LeaseOptions, OptionRule>;

const guarantee = rule.oneOf('at-least-once', 'at-most-once');
const retentionMs = rule.duration({ min: 1, max: MAX_RETENTION_MS });
const lockAtLeastMs = rule.duration({ max: MAX_RETENTION_MS });

/** Options of a job lock manager. */
export interface JobLockOptions extends Omit<LeaseOptions, 'signal'> {
  /**
   * How long it is remembered that an element or a message is done. Choose it longer than the time in which the same element or message may come again.
   * @default 86_400_000 (a day)
   */
  readonly retentionMs?: number | undefined;
  /**
   * For at least this long after `lock` granted an element, the element is refused, also when it was unlocked sooner or
   * marked with a shorter `retentionMs`. For schedulers whose clocks differ. Needs a backend with marks.
   * @default 0
   */
  readonly lockAtLeastMs?: number | undefined;
  /**
   * Called when a mark could not be written and the caller learns of something else, its task's own error: with the reason and
   * the mark's name in the store, such as `once/statistics`. What it throws is swallowed.
   */
  readonly onMarkFailed?: ((error: unknown, name: string) => unknown) | undefined;
}

/** Options of `runOnce`. */
export interface RunOnceOptions extends LeaseOptions {
  /**
   * How long after the start of a run no other run starts; by the store's clock, over all instances. A little less than
   * the time between two schedules: 55 minutes for an hourly job, so that a scheduler that is early is not refused. Either this
   * or `window`; at most ten years.
   */
  readonly windowMs?: number | undefined;
  /**
   * Once in each period of a calendar, such as `{ period: 'day', timeZone: 'Europe/Berlin' }`, which may be an hour shorter or longer.
   * The caller's clock says which period it is; the store sees to it that there is one run. Either this or `windowMs`.
   */
  readonly window?: CalendarWindow | undefined;
  /**
   * The same after a run that failed, so that schedulers with other clocks do not
   * repeat it. At most `windowMs`, or the shortest such period.
   * @default 0, a failed run may be tried again at once
   */
  readonly lockAtLeastMs?: number | undefined;
  /**
   * `at-least-once`: what fails or crashes is run again in the same window. `at-most-once`: the window counts as used
   * before the task starts.
   * @default 'at-least-once'
   */
  readonly guarantee?: JobGuarantee | undefined;
}

/** Options of `processOnce`. */
export interface ProcessOnceOptions extends LeaseOptions {
  /** Consumers of different names each process a message. @default 'default' */
  readonly consumer?: string | undefined;
  /** How long it is remembered that the message is done. @default the manager's `retentionMs` */
  readonly retentionMs?: number | undefined;
  /**
   * `at-least-once`: what fails or crashes is processed again when it is delivered again. `at-most-once`: a message
   * counts as done before the task starts.
   * @default 'at-least-once'
   */
  readonly guarantee?: JobGuarantee | undefined;
}

/** Options of `forEachExclusive`. */
export interface ForEachOptions<I> extends LeaseOptions {
  /** What an item is locked by, such as its id. Items with one key are processed one after another under one lease. */
  readonly key: (item: I) => string;
  /** Tells the items of one batch job from those of another. @default 'default' */
  readonly job?: string | undefined;
  /** How many tasks run at a time. @default 1 */
  readonly concurrency?: number | undefined;
  /**
   * How long it is remembered that an item was processed, so that nobody processes it again. When left out, an item
   * is only locked while it is processed.
   */
  readonly retentionMs?: number | undefined;
}

const rules = {
  createJobLockManager: { ...defaultRules, retentionMs, lockAtLeastMs, onMarkFailed: rule.function } satisfies Record<
    keyof JobLockOptions,
    OptionRule
  >,
  runOnce: { ...lease, windowMs: retentionMs, window: calendarRule, lockAtLeastMs, guarantee } satisfies Record<
    keyof RunOnceOptions,
    OptionRule
  >,
  processOnce: { ...lease, consumer: rule.string, retentionMs, guarantee } satisfies Record<keyof ProcessOnceOptions, OptionRule>,
  forEachExclusive: {
    ...lease,
    key: rule.function,
    job: rule.string,
    concurrency: (value) => (value === Number.POSITIVE_INFINITY ? null : rule.integer(1)(value)),
    retentionMs,
  } satisfies Record<keyof ForEachOptions<unknown>, OptionRule>,
} as const;

/**
 * Reads the options of one call, once; `required` are those that cannot be left out.
 *
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT
 */
export function readJobOptions<O extends object>(
  where: keyof typeof rules,
  options: O | undefined,
  ...required: readonly (keyof O & string)[]
): Readonly<O> {
  return readOptions(where, options, rules[where], required);
}

/** What of the options is for the lease. */
export function leaseOptions(options: LeaseOptions | undefined, defaults: Omit<LeaseOptions, 'signal'>): LeaseOptions {
  return {
    ttlMs: options?.ttlMs ?? defaults.ttlMs,
    renew: options?.renew ?? defaults.renew,
    maxHoldMs: options?.maxHoldMs ?? defaults.maxHoldMs,
    label: options?.label ?? defaults.label,
    signal: options?.signal,
  };
}

/** What can only be said of the options of `runOnce` together. @throws LockArgumentError LOCK_INVALID_ARGUMENT */
export function checkWindow({ windowMs, window, lockAtLeastMs = 0 }: RunOnceOptions): void {
  if ((windowMs === undefined) === (window === undefined)) {
    const given = windowMs === undefined ? 'neither' : 'both';
    throw new LockArgumentError(`runOnce: ${given} of windowMs and window given; it must be exactly one`, {
      option: windowMs === undefined ? 'windowMs' : 'window',
    });
  }
  // A failed run must not close the door for longer than one that succeeded.
  const most = window === undefined ? (windowMs ?? 0) : shortestPeriodMs(window);
  if (lockAtLeastMs <= most) return;
  const what = window === undefined ? 'windowMs' : 'the shortest such period';
  throw new LockArgumentError(`runOnce: lockAtLeastMs is ${lockAtLeastMs}; it must be at most ${what} (${most})`, {
    option: 'lockAtLeastMs',
  });
}
