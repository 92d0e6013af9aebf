import type { Model, Operation } from './model.js';

/** Whether a history has an order in which every operation takes effect at one moment between its call and its end. */
export type Verdict<Op> =
  | { readonly isLinearizable: true }
  /** `stuck`: the first operation that returned in no order at all. `open`: the operations that were under way then. */
  | {
      readonly isLinearizable: false;
      readonly stuck: Operation<Op>;
      readonly open: readonly Operation<Op>[];
      readonly states: readonly string[];
    };

/**
 * Looks for such an order by walking through the history once: all ways in which it may have come so far are carried along, and a way that
 * lacks an operation by the time of its end is extended or dropped ("just-in-time linearization", Lowe 2017). Its memory depends on how
 * much happens at a time, not on how long the history is.
 *
 * @throws RangeError when more than 100,000 ways would have to be carried along
 */
export function linearize<State, Op>(model: Model<State, Op>, operations: readonly Operation<Op>[]): Verdict<Op> {
  const walk = new Walk(model);
  for (const { operation, isCall } of momentsOf(operations)) {
    if (isCall) walk.call(operation);
    else if (!walk.return(operation)) {
      return { isLinearizable: false, stuck: operation, open: walk.open, states: walk.states };
    }
  }
  return { isLinearizable: true };
}

/** Every call and every end, in order; at the same moment calls come first, as their operations then overlap. */
function momentsOf<Op>(operations: readonly Operation<Op>[]) {
  const moments = operations.flatMap((operation) => [
    { at: operation.call, operation, isCall: true },
    ...(operation.end === Infinity ? [] : [{ at: operation.end, operation, isCall: false }]),
  ]);
  return moments.sort((a, b) => a.at - b.at || Number(b.isCall) - Number(a.isCall));
}

/** One way in which the operations so far may have taken effect; `done`: those that have, of all that are under way. */
interface Way<State, Op> {
  readonly state: State;
  readonly done: ReadonlySet<Operation<Op>>;
}

/** More ways at a time than these would take memory without end. A history of ours never has so many. */
const MOST_WAYS = 100_000;
const SHOWN_STATES = 5;

class Walk<State, Op> {
  readonly #model: Model<State, Op>;
  /** What is under way, each with a number for keys. */
  readonly #open = new Map<Operation<Op>, number>();
  #ways: readonly Way<State, Op>[];
  #count = 0;

  constructor(model: Model<State, Op>) {
    this.#model = model;
    this.#ways = [{ state: model.initial, done: new Set() }];
  }

  get open(): Operation<Op>[] {
    return [...this.#open.keys()];
  }

  get states(): string[] {
    return this.#ways.slice(0, SHOWN_STATES).map(({ state }) => this.#model.keyOf(state));
  }

  call(operation: Operation<Op>): void {
    this.#open.set(operation, (this.#count += 1));
    if (this.#model.isEager?.(operation.op)) this.#ways = this.#distinct(this.#ways.map((way) => this.#settle(way)));
  }

  /** @returns whether any way is left in which it has taken effect */
  return(operation: Operation<Op>): boolean {
    const others = this.open.filter((other) => other !== operation && !(this.#model.canWait?.(other.op, this.#isOpen) ?? false));
    const next = this.#distinct(
      this.#ways
        .flatMap((way) => (way.done.has(operation) ? [way] : this.#waysTo(operation, way, others)))
        .map((way) => without(way, operation)),
    );
    if (next.length === 0) return false;
    this.#open.delete(operation);
    this.#ways = next;
    this.#forgetSettled();
    return true;
  }

  /** Every way that goes on from this one, by any of the others, to one in which the operation has taken effect. */
  #waysTo(operation: Operation<Op>, from: Way<State, Op>, others: readonly Operation<Op>[]): Way<State, Op>[] {
    const found: Way<State, Op>[] = [];
    const seen = new Map([[this.#keyOf(from), from]]);
    // A map goes on to what is added while it is walked through.
    for (const way of seen.values()) {
      const last = way.done.has(operation) ? way : this.#extend(way, operation);
      if (last !== null) found.push(last);
      for (const other of others) {
        const next = way.done.has(other) ? null : this.#extend(way, other);
        if (next !== null) seen.set(this.#keyOf(next), next);
      }
      checkSize(seen.size);
    }
    return found;
  }

  /** The way after one more operation; null: the operation is not possible there. */
  #extend(way: Way<State, Op>, operation: Operation<Op>): Way<State, Op> | null {
    const state = this.#model.step(way.state, operation.op);
    return state === null ? null : this.#settle({ state, done: new Set([...way.done, operation]) });
  }

  /** And after all that can take effect at once and only permits more. */
  #settle(way: Way<State, Op>): Way<State, Op> {
    if (this.#model.isEager === undefined) return way;
    let { state } = way;
    const done = new Set(way.done);
    for (const operation of this.#open.keys()) {
      if (done.has(operation) || !this.#model.isEager(operation.op)) continue;
      const next = this.#model.step(state, operation.op);
      if (next === null) continue;
      state = next;
      done.add(operation);
    }
    return { state, done };
  }

  readonly #isOpen = (matches: (other: Op) => boolean): boolean => this.open.some(({ op }) => matches(op));

  #distinct(ways: readonly Way<State, Op>[]): Way<State, Op>[] {
    const distinct = new Map(ways.map((way) => [this.#keyOf(way), way]));
    checkSize(distinct.size);
    return [...distinct.values()];
  }

  #keyOf({ state, done }: Way<State, Op>): string {
    const numbers = [...done].map((operation) => this.#open.get(operation) ?? 0).sort((a, b) => a - b);
    return `${this.#model.keyOf(state)}|${numbers.join()}`;
  }

  /** What may take effect at any time, and has in every way, decides nothing more. */
  #forgetSettled(): void {
    for (const operation of this.open) {
      if (operation.end !== Infinity || !this.#ways.every(({ done }) => done.has(operation))) continue;
      this.#open.delete(operation);
      this.#ways = this.#ways.map((way) => without(way, operation));
    }
  }
}

function without<State, Op>({ state, done }: Way<State, Op>, operation: Operation<Op>): Way<State, Op> {
  const rest = new Set(done);
  rest.delete(operation);
  return { state, done: rest };
}

function checkSize(count: number): void {
  if (count > MOST_WAYS) throw new RangeError(`more than ${MOST_WAYS} ways to order a history`);
}
