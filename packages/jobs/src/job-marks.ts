import { LockArgumentError, type LockManager, type MarkState } from '@holdfast/core';
import type { Claims } from './claims.js';
import { type CalendarWindow, calendarRule, periodAt, readWindow } from './calendar.js';
import { jobName } from './job-names.js';
import { requireMarks } from './marked-task.js';

/** What a mark is of: a run (of the present period, where it has a calendar window), a message, an element of a job, an item of a batch. */
export type JobTarget =
  | {
      /** The name that `runOnce` was given. */
      readonly run: string;
      /** That of `runOnce`, where it has a calendar: the present period is meant. */
      readonly window?: CalendarWindow | undefined;
    }
  | {
      /** The id that `processOnce` was given. */
      readonly message: string;
      /** That of `processOnce`. @default 'default' */
      readonly consumer?: string | undefined;
    }
  | {
      /** The job that `lock` was given. */
      readonly job: string;
      /** The element of it. */
      readonly element: string;
    }
  | {
      /** The `job` of `forEachExclusive`. */
      readonly batch: string;
      /** What its `key` made of the item. */
      readonly key: string;
    };

/** What is known of work that is not to be done at present; by the store's clock. It ends with its window, and is no history.
 * Where the window is one of a calendar, `remainingMs` is for how long the mark is kept, which is beyond the end of the period. */
export type JobMark = Omit<MarkState, 'name'>;

const SHAPES: readonly (readonly [key: string, ...others: string[]])[] = [
  ['run', 'window'],
  ['message', 'consumer'],
  ['job', 'element'],
  ['batch', 'key'],
];

/** See `JobLockManager.markOf`. */
export async function markOf(locks: LockManager, target: JobTarget): Promise<JobMark | null> {
  const name = markNameOf('markOf', target, locks);
  const mark = await requireMarks(locks, 'markOf').get(name);
  if (mark === null) return null;
  const { outcome, ageMs, remainingMs, label } = mark;
  return { outcome, ageMs, remainingMs, label };
}

/** See `JobLockManager.forget`. */
export async function forget(locks: LockManager, claims: Claims, target: JobTarget): Promise<boolean> {
  const name = markNameOf('forget', target, locks);
  const stood = await requireMarks(locks, 'forget').delete(name);
  claims.forget(name);
  return stood;
}

/** The name of a run's mark: its own, or that of the period in which it is begun. */
export function runMarkName(where: string, name: string, window: CalendarWindow | undefined, wallMs: number): string {
  return window === undefined ? jobName(where, 'once', { name }) : jobName(where, 'period', { name, period: periodAt(window, wallMs) });
}

function markNameOf(where: string, target: JobTarget, { clock }: LockManager): string {
  const given = (typeof target === 'object' && target !== null ? { ...target } : {}) as Readonly<Record<string, unknown>>;
  const keys = Object.keys(given).filter((key) => given[key] !== undefined);
  const shape = SHAPES.find(([first, ...others]) => first in given && keys.every((key) => key === first || others.includes(key)));
  if (shape === undefined) throw wrong(where, 'must be { run }, { message, consumer }, { job, element } or { batch, key }');
  const text = (key: string): string => given[key] as string;
  switch (shape[0]) {
    case 'run': {
      const broken = given['window'] === undefined ? null : calendarRule(given['window']);
      if (broken !== null) throw wrong(where, `has a window that ${broken}`);
      const window = readWindow(where, 'target', given['window'] as CalendarWindow | undefined);
      return runMarkName(where, text('run'), window, clock.wall());
    }
    case 'message':
      return jobName(where, 'message', {
        consumer: 'consumer' in given && given['consumer'] !== undefined ? text('consumer') : 'default',
        messageId: text('message'),
      });
    case 'job':
      return jobName(where, 'job', { job: text('job'), element: text('element') });
    default:
      return jobName(where, 'batch', { job: text('batch'), key: text('key') });
  }
}

function wrong(where: string, rule: string): LockArgumentError {
  return new LockArgumentError(`${where}: target ${rule}`, { option: 'target' });
}
