import { checkValue, LockArgumentError, type OptionRule } from '@holdfast/core';

/** A window of a calendar: each of its periods is one. */
export interface CalendarWindow {
  /** A week begins on Monday. */
  readonly period: CalendarPeriod;
  /** By whose midnight: a name of the IANA database, such as `Europe/Berlin`. */
  readonly timeZone: string;
}

export type CalendarPeriod = 'hour' | 'day' | 'week' | 'month';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** The longest and the shortest of each: a change of the clock takes an hour away, or gives one more. */
const LENGTHS: Readonly<Record<CalendarPeriod, { readonly longestMs: number; readonly shortestMs: number }>> = {
  hour: { longestMs: HOUR_MS, shortestMs: HOUR_MS },
  day: { longestMs: DAY_MS + HOUR_MS, shortestMs: DAY_MS - HOUR_MS },
  week: { longestMs: 7 * DAY_MS + HOUR_MS, shortestMs: 7 * DAY_MS - HOUR_MS },
  month: { longestMs: 31 * DAY_MS + HOUR_MS, shortestMs: 28 * DAY_MS - HOUR_MS },
};

const PERIODS: readonly CalendarPeriod[] = ['hour', 'day', 'week', 'month'];

/** What a mark of such a period is kept for: twice as long, so that no clock that is late runs the period once more. */
export function periodRetentionMs({ period }: CalendarWindow): number {
  return 2 * LENGTHS[period].longestMs;
}

export function shortestPeriodMs({ period }: CalendarWindow): number {
  return LENGTHS[period].shortestMs;
}

export const calendarRule: OptionRule = (value) => {
  const { period, timeZone, ...rest } = (typeof value === 'object' && value !== null ? value : {}) as Readonly<Record<string, unknown>>;
  if (!(PERIODS as readonly unknown[]).includes(period) || typeof timeZone !== 'string' || Object.keys(rest).length > 0) {
    return `must be { period, timeZone }: the period one of ${PERIODS.join(', ')}, the time zone a name such as Europe/Berlin`;
  }
  return isTimeZone(timeZone) ? null : 'must have a timeZone that exists, such as Europe/Berlin';
};

/**
 * A copy of its own, which is what was checked: the caller's may say something else each time that it is read.
 *
 * @throws LockArgumentError LOCK_INVALID_ARGUMENT
 */
export function readWindow(where: string, option: string, given: CalendarWindow | undefined): CalendarWindow | undefined {
  if (given === undefined) return undefined;
  const { period, timeZone } = given;
  const window = { period, timeZone };
  checkValue(where, option, window, calendarRule);
  return window;
}

function isTimeZone(timeZone: string): boolean {
  try {
    return new Intl.DateTimeFormat('en', { timeZone }).resolvedOptions().timeZone !== '';
  } catch {
    return false;
  }
}

/**
 * The period in which a moment lies, by its own date: `2026-03-29` a day, `week-2026-03-23` the week that begins then, `2026-03` a month,
 * `2026-10-25T02+02:00` an hour, so that one that the clock shows twice is two.
 *
 * @param wallMs milliseconds since the epoch
 */
export function periodAt({ period, timeZone }: CalendarWindow, wallMs: number): string {
  const { year, month, day, hour, offset } = partsAt(timeZone, wallMs);
  switch (period) {
    case 'hour':
      return `${year}-${month}-${day}T${hour}${offset}`;
    case 'day':
      return `${year}-${month}-${day}`;
    case 'week':
      return `week-${mondayOf(Number(year), Number(month), Number(day))}`;
    case 'month':
      return `${year}-${month}`;
    default:
      return period satisfies never;
  }
}

function partsAt(timeZone: string, wallMs: number): Readonly<Record<'year' | 'month' | 'day' | 'hour' | 'offset', string>> {
  const format = new Intl.DateTimeFormat('en-US-u-ca-gregory-nu-latn', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: '2-digit',
    day: '2-digit',
    hour: '2-digit',
    timeZoneName: 'longOffset',
  });
  const parts = new Map(format.formatToParts(wallMs).map(({ type, value }) => [type, value]));
  const part = (type: Intl.DateTimeFormatPartTypes): string => {
    const value = parts.get(type);
    if (value === undefined)
      throw new LockArgumentError(`window: this Node does not know the ${type} in ${timeZone}`, { option: 'window' });
    return value;
  };
  // `GMT+02:00`, and `GMT` alone.
  const offset = part('timeZoneName').replace('GMT', '') || '+00:00';
  return { year: part('year').padStart(4, '0'), month: part('month'), day: part('day'), hour: part('hour'), offset };
}

function mondayOf(year: number, month: number, day: number): string {
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  date.setUTCDate(date.getUTCDate() - ((date.getUTCDay() + 6) % 7));
  return date.toISOString().slice(0, 10);
}
