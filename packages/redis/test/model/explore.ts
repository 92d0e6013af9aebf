import { begin, type Move, movesOf, type Setting, type State } from './expire-model.js';

/** A property that does not hold, and how that came about. */
export interface Violation {
  readonly broken: string;
  readonly history: readonly string[];
}

interface Node {
  readonly state: State;
  readonly action: string;
  readonly from: Node | null;
}

/** Messages have no order: states that differ in it alone are the same. */
function keyOf({ messages, ...rest }: State): string {
  return (
    JSON.stringify(rest) +
    messages
      .map((message) => JSON.stringify(message))
      .sort()
      .join('')
  );
}

/** Every state that is reached, nearest first, until `most` were seen. */
export function search(on: Setting, isMet: boolean, most: number): Violation | null {
  const first = begin(isMet);
  const seen = new Set([keyOf(first)]);
  const queue: Node[] = [{ state: first, action: 'begin', from: null }];
  for (let at = 0; at < queue.length; at++) {
    const node = queue[at] as Node;
    for (const { action, state, broken } of movesOf(node.state, on)) {
      const next: Node = { state, action, from: node };
      if (broken !== null) return { broken, history: historyOf(next) };
      if (seen.size >= most) continue;
      const key = keyOf(state);
      if (seen.has(key)) continue;
      seen.add(key);
      queue.push(next);
    }
  }
  return null;
}

function historyOf(node: Node): readonly string[] {
  const actions: string[] = [];
  for (let at: Node | null = node; at !== null; at = at.from) actions.unshift(at.action);
  return actions;
}

/** Random walks from the beginning, deep instead of wide; the same seed takes the same ones. */
export function walk(on: Setting, isMet: boolean, steps: number, seed: number): Violation | null {
  let random = seed;
  const pick = (moves: readonly Move[]): Move => {
    random ^= random << 13;
    random ^= random >>> 17;
    random ^= random << 5;
    return moves[(random >>> 0) % moves.length] as Move;
  };
  for (let step = 0; step < steps; ) {
    let state = begin(isMet);
    const history: string[] = [];
    for (let depth = 0; depth < 60; depth++, step++) {
      const moves = movesOf(state, on);
      const wrong = moves.find(({ broken }) => broken !== null);
      if (wrong !== undefined) return { broken: wrong.broken ?? '', history: [...history, wrong.action] };
      if (moves.length === 0) break;
      const { action, state: next } = pick(moves);
      history.push(action);
      state = next;
    }
  }
  return null;
}
