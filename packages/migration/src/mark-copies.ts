import type { Clock, MarkOptions, MarkOutcome, MarkRequest, MarkState, StoredMark } from '@holdfast/core';

/**
 * From now on: the rest of a time that began now, so that whatever is written later ends when it was to end. 0: it is over.
 * By the monotonic clock alone: a wall clock that is set forward must not make a mark end early.
 */
export function restOf(clock: Clock): (ms: number) => number {
  const now = clock.now();
  return (ms) => Math.max(0, Math.round(ms - Math.max(0, clock.now() - now)));
}

/** A request to this backend as one to the manager of a side. */
export function markOptionsOf({ owner, label }: MarkRequest, restMs: number): MarkOptions {
  const at = label.indexOf(' ');
  return {
    retentionMs: Math.max(1, restMs),
    ...(owner !== '' && { owner }),
    ...(at > 0 && { outcome: label.slice(0, at) as MarkOutcome, label: label.slice(at + 1) }),
  };
}

export function storedMarkOf({ name, outcome, label, ageMs, remainingMs }: MarkState): StoredMark {
  return { name, ageMs, remainingMs, label: label === null ? null : `${outcome} ${label}` };
}
