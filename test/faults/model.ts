/** What an object does, one operation at a time: the sequential meaning that a history is compared with. */
export interface Model<State, Op> {
  readonly initial: State;
  /** The state after `op`; null where `op` with its answer is impossible in `state`. */
  step(state: State, op: Op): State | null;
  /** Equal for equal states, and for these alone. */
  keyOf(state: State): string;
  textOf(op: Op): string;
  /** An operation that only permits more once it has taken effect: it takes effect as soon as it can. @default none */
  isEager?(op: Op): boolean;
  /**
   * Whether nothing is gained by letting `op` take effect before another operation has returned. `isOpen`: whether an operation of which
   * this is true has begun. @default never
   */
  canWait?(op: Op, isOpen: (matches: (other: Op) => boolean) => boolean): boolean;
}

/** One operation of a history. */
export interface Operation<Op> {
  readonly op: Op;
  readonly process: string;
  /** It took effect not before this moment. */
  readonly call: number;
  /** And not after this one; Infinity: it may take effect at any time, or never. */
  readonly end: number;
}
