import { format, parse } from '@lukeed/ms';
import { MAX_DURATION_MS } from '@holdfast/core';
import { InvalidArgumentError } from 'commander';

const EXAMPLES = 'such as 500ms, 30s, 5m or 1h';

/** Reads `30s`. A number alone is refused: half of all people mean seconds by it, the others milliseconds. */
export function parseDuration(text: string): number {
  const ms = /^0+(?:ms|[smhdw])?$/.test(text.trim()) ? 0 : parse(text.trim());
  if (ms === undefined || !Number.isFinite(ms) || ms < 0) throw new InvalidArgumentError(`It must be a duration ${EXAMPLES}.`);
  if (ms > 0 && /^[\d.]+$/.test(text.trim())) throw new InvalidArgumentError(`It must have a unit, ${EXAMPLES}.`);
  if (ms > MAX_DURATION_MS) throw new InvalidArgumentError(`It must not be above ${MAX_DURATION_MS} ms, which is about 24 days.`);
  return Math.ceil(ms);
}

/** The same, above zero. */
export function parsePositiveDuration(text: string): number {
  const ms = parseDuration(text);
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
