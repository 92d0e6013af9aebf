import { faultOf, initialStates, keyOf, type ModelRules, type Scope, show, type State, stepsFrom } from './model.js';

/** What looking at every state came to. */
export interface Exploration {
  /** States that differ by more than the names of nodes and attempts. */
  readonly states: number;
  readonly steps: number;
  readonly fault: string | null;
  /** The shortest way to the fault, a line a step. */
  readonly trace: readonly string[];
}

/** Breadth first through all states that can be reached, until one is at fault. */
export function explore(scope: Scope, rules: ModelRules): Exploration {
  const seen = new Set<string>();
  const states: State[] = [];
  const cameFrom: number[] = [];
  const by: string[] = [];
  let steps = 0;
  const visit = (state: State, from: number, what: string): string | null => {
    const key = keyOf(state);
    if (seen.has(key)) return null;
    seen.add(key);
    states.push(state);
    cameFrom.push(from);
    by.push(what);
    return faultOf(state, scope);
  };
  for (const state of initialStates(scope)) visit(state, -1, 'at first');
  for (let index = 0; index < states.length; index++) {
    for (const { what, to } of stepsFrom(states[index] as State, scope, rules)) {
      steps += 1;
      const fault = visit(to, index, what);
      if (fault !== null) return { states: states.length, steps, fault, trace: [...traceTo(states.length - 1), `so ${fault}`] };
    }
  }
  return { states: states.length, steps, fault: null, trace: [] };

  function traceTo(last: number): readonly string[] {
    const lines: string[] = [];
    for (let index = last; index >= 0; index = cameFrom[index] ?? -1) lines.unshift(`${by[index]}: ${show(states[index] as State)}`);
    return lines;
  }
}
