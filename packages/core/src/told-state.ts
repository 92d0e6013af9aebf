import { takeApart, traceparentOf } from './annotation.js';
import type { HolderState, LockState } from './contract/state.js';
import { withToJSON } from './json.js';

/** A state as users are told it: JSON accepts it, its holders too. */
export function toldState(state: LockState): LockState {
  return withToJSON({ ...state, oldestWaitMs: state.oldestWaitMs ?? null, holders: state.holders.map(toldHolder) });
}

/** One holder as users are told it: in whole milliseconds, whatever the backend counts in. */
export function toldHolder(holder: HolderState): HolderState {
  const { label, annotation } = holder.label === null ? { label: null, annotation: null } : takeApart(holder.label);
  return withToJSON({
    ...holder,
    label,
    remainingMs: holder.remainingMs === null ? null : Math.ceil(holder.remainingMs),
    heldMs: holder.heldMs ?? null,
    traceparent: traceparentOf(annotation),
  });
}
