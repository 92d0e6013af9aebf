import { takeApart, traceparentOf } from './annotation.js';
import type { HolderState, LockState } from './contract/state.js';
import { withToJSON } from './json.js';

/** A state as users see it: JSON accepts it, its holders too. */
export function toldState(state: LockState): LockState {
  return withToJSON({ ...state, oldestWaitMs: wholeMs(state.oldestWaitMs), holders: state.holders.map(toldHolder) });
}

/** One holder as users see it: in whole milliseconds, whatever the backend counts in. */
export function toldHolder(holder: HolderState): HolderState {
  const { label, annotation } = holder.label === null ? { label: null, annotation: null } : takeApart(holder.label);
  return withToJSON({
    ...holder,
    label,
    remainingMs: holder.remainingMs === null ? null : Math.ceil(holder.remainingMs),
    heldMs: wholeMs(holder.heldMs),
    traceparent: traceparentOf(annotation),
  });
}

/** A time that has passed. Clocks of two machines may say that it has not begun. */
function wholeMs(ms: number | null | undefined): number | null {
  return ms === null || ms === undefined ? null : Math.max(0, Math.floor(ms));
}
