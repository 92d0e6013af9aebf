import type { HolderState, LockState } from '@holdfast/core';

/** What two sides say of one name, as one: a holder that stands on both is reported once. */
export function mergeStates(from: LockState, to: LockState): LockState {
  const onlyFrom = [...from.holders];
  const holders: HolderState[] = [];
  for (const holder of to.holders) {
    const index = onlyFrom.findIndex((other) => isSame(other, holder));
    const other = index < 0 ? undefined : onlyFrom.splice(index, 1)[0];
    holders.push(
      other === undefined
        ? holder
        : {
            ...holder,
            label: holder.label ?? other.label,
            remainingMs: least(holder.remainingMs, other.remainingMs),
            heldMs: most(holder.heldMs, other.heldMs),
          },
    );
  }
  return {
    name: to.name,
    kind: to.kind,
    held: from.held || to.held,
    holders: [...holders, ...onlyFrom.map(withoutToken)],
    waiters: from.waiters === null || to.waiters === null ? null : from.waiters + to.waiters,
    oldestWaitMs: most(from.oldestWaitMs, to.oldestWaitMs),
  };
}

/** A state of the old side: its tokens do not compare with the target's. */
export function withoutTokens(state: LockState): LockState {
  return { ...state, holders: state.holders.map(withoutToken) };
}

function withoutToken(holder: HolderState): HolderState {
  return { ...holder, fencingToken: null };
}

/** A side that cannot tell labels may mean anybody. */
function isSame(a: HolderState, b: HolderState): boolean {
  return a.mode === b.mode && a.permits === b.permits && (a.label === b.label || a.label === null || b.label === null);
}

function least(a: number | null, b: number | null): number | null {
  if (a === null || b === null) return a ?? b;
  return Math.min(a, b);
}

function most(a: number | null | undefined, b: number | null | undefined): number | null {
  if (typeof a !== 'number' || typeof b !== 'number') return a ?? b ?? null;
  return Math.max(a, b);
}
