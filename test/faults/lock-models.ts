import type { HoldMode } from './history.js';
import type { Model } from './model.js';

/** What callers do with locks, semaphores and read/write locks. */
export type HoldOp =
  | { readonly do: 'acquire'; readonly hold: string; readonly mode: HoldMode; readonly permits: number; readonly token: bigint | null }
  /** The holder believes in it no more: it was released, or lost. */
  | { readonly do: 'end'; readonly hold: string };

interface Holder {
  readonly mode: HoldMode;
  readonly permits: number;
}

interface HoldState {
  readonly holders: ReadonlyMap<string, Holder>;
  /** The highest token of a write or exclusive hold, and of a read. */
  readonly written: bigint;
  readonly read: bigint;
}

const EMPTY: HoldState = { holders: new Map(), written: -1n, read: -1n };

/** At most one holder; each token is above all before it. */
export const mutexModel: Model<HoldState, HoldOp> = holdModel((holders) => holders.length === 0);

/** Any number of readers, or one writer. A read's token is above those of all earlier writes, a write's above all earlier tokens. */
export const readWriteModel: Model<HoldState, HoldOp> = holdModel((holders, { mode }) =>
  mode === 'read' ? holders.every((holder) => holder.mode === 'read') : holders.length === 0,
);

/** So many permits at most. */
export function semaphoreModel(limit: number): Model<HoldState, HoldOp> {
  return holdModel((holders, { permits }) => holders.reduce((sum, holder) => sum + holder.permits, permits) <= limit);
}

function holdModel(fits: (holders: readonly Holder[], asked: Holder) => boolean): Model<HoldState, HoldOp> {
  return {
    initial: EMPTY,
    step(state, op) {
      const holders = new Map(state.holders);
      if (op.do === 'end') return holders.delete(op.hold) ? { ...state, holders } : null;
      if (holders.has(op.hold) || !fits([...holders.values()], op)) return null;
      holders.set(op.hold, { mode: op.mode, permits: op.permits });
      const { token } = op;
      if (token === null) return { ...state, holders };
      if (token <= state.written) return null;
      if (op.mode === 'read') return { ...state, holders, read: token > state.read ? token : state.read };
      return token > state.read ? { ...state, holders, written: token } : null;
    },
    keyOf: ({ holders, written, read }) => `${[...holders.keys()].sort().join()} ${written} ${read}`,
    textOf: (op) =>
      op.do === 'end'
        ? `end of ${op.hold}`
        : `${op.hold} acquires (${op.mode}${op.mode === 'permits' ? ` ${op.permits}` : ''}${op.token === null ? '' : `, token ${op.token}`})`,
    // An end frees, and asks for nothing but that the hold stands.
    isEager: (op) => op.do === 'end',
    // A hold that has not ended yet is in the way of others. To have begun earlier helps it, and others, only if it has ended by now.
    canWait: (op, isOpen) => !isOpen((other) => other.do === 'end' && other.hold === op.hold),
  };
}
