import { format, parse } from '@lukeed/ms';
import { MAX_DURATION_MS, MAX_RETENTION_MS } from '@holdfast/core';
import type { CalendarPeriod } from '@holdfast/jobs';
import { InvalidArgumentError } from 'commander';

const EXAMPLES = 'such as 500ms, 30s, 5m or 1h';

/** Reads `30s`. A number alone is refused: half of all people mean seconds by it, the others milliseconds. */
export function parseDuration(text: string): number {
  return parseUpTo(text, MAX_DURATION_MS, 'about 24 days');
}

/** The same, for what only the store counts. */
export function parseRetention(text: string): number {
  return parseUpTo(text, MAX_RETENTION_MS, 'ten years');
}

const PERIODS: readonly string[] = ['hour', 'day', 'week', 'month'] satisfies CalendarPeriod[];

/** A duration above zero, or a period of a calendar. */
export function parseWindow(text: string): number | CalendarPeriod {
  if (PERIODS.includes(text.trim())) return text.trim() as CalendarPeriod;
  return aboveZero(parseRetention(text));
}

/** A time zone that this machine knows. */
export function parseTimeZone(text: string): string {
  try {
    new Intl.DateTimeFormat('en', { timeZone: text });
  } catch {
    throw new InvalidArgumentError('It must be a time zone of the IANA database, such as Europe/Berlin.');
  }
  return text;
}

function parseUpTo(text: string, mostMs: number, most: string): number {
  const ms = /^0+(?:ms|[smhdw])?$/.test(text.trim()) ? 0 : parse(text.trim());
  if (ms === undefined || !Number.isFinite(ms) || ms < 0) throw new InvalidArgumentError(`It must be a duration ${EXAMPLES}.`);
  if (ms > 0 && /^[\d.]+$/.test(text.trim())) throw new InvalidArgumentError(`It must have a unit, ${EXAMPLES}.`);
  if (ms > mostMs) throw new InvalidArgumentError(`It must not be above ${mostMs} ms, which is ${most}.`);
  return Math.ceil(ms);
}

/** The same, above zero. */
export function parsePositiveDuration(text: string): number {
  return aboveZero(parseDuration(text));
}

/** Of looks that are repeated: more often than this nobody sees, and the store is asked each time. */
const LEAST_INTERVAL_MS = 100;

/** The time between two looks. */
export function parseInterval(text: string): number {
  const ms = parseDuration(text);
  if (ms < LEAST_INTERVAL_MS) throw new InvalidArgumentError(`It must be at least ${LEAST_INTERVAL_MS}ms.`);
  return ms;
}

function aboveZero(ms: number): number {
  if (ms === 0) throw new InvalidArgumentError(`It must be above zero, ${EXAMPLES}.`);
  return ms;
}

/** The same, or `forever`. */
export function parseWait(text: string): number {
  return /^(?:forever|infinity)$/i.test(text.trim()) ? Number.POSITIVE_INFINITY : parseDuration(text);
}

/** `12s`, for people. */
export function showDuration(ms: number): string {
  return format(ms < 10 ? Math.round(ms * 10) / 10 : Math.round(ms));
}
