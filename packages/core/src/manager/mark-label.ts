import type { MarkOutcome, MarkState, StoredMark } from '../contract/marks.js';

export const OUTCOMES: readonly MarkOutcome[] = ['succeeded', 'failed', 'started'];

/** What the store keeps with a mark: one text, so that a backend need not know what marks are for. */
export function markLabel(outcome: MarkOutcome = 'succeeded', label: string): string {
  return `${outcome} ${label}`;
}

export function markStateOf({ name, label, ageMs, remainingMs }: StoredMark): MarkState {
  const outcome = OUTCOMES.find((each) => label?.startsWith(`${each} `) === true);
  return {
    name,
    outcome: outcome ?? 'succeeded',
    ageMs: Math.max(0, Math.round(ageMs)),
    remainingMs: Math.max(0, Math.round(remainingMs)),
    label: outcome === undefined || label === null ? label : label.slice(outcome.length + 1),
  };
}
