import type { Model } from './model.js';

/** What holders do with the value that a lock protects. An update reads it and writes it in two steps, which only a lock makes one. */
export type RegisterOp =
  | { readonly do: 'read'; readonly value: number }
  | { readonly do: 'update'; readonly from: number; readonly to: number };

/** A number: reads see the last update, and no update is lost. */
export const registerModel: Model<number, RegisterOp> = {
  initial: 0,
  step(state, op) {
    if (op.do === 'read') return op.value === state ? state : null;
    return op.from === state ? op.to : null;
  },
  keyOf: String,
  textOf: (op) => (op.do === 'read' ? `reads ${op.value}` : `updates ${op.from} to ${op.to}`),
};
