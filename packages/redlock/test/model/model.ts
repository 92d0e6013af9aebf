/**
 * The heart of the protocol as an explicit-state model: two attempts at one lock on three nodes, quorum two. Small enough to look at every
 * state there is. Time is nobody's: requests arrive whenever they like, or never; replies may be lost (a client then decides without them);
 * one request arrives twice; votes vanish as the scope says. What is left out: waiting, renewal, more than two attempts.
 *
 * A state is a list of small numbers. For each node: who has its vote and under which counter, its fence, for whom it is in quarantine; then for
 * each attempt what it knows of this node. Then for each attempt its phase, its token, and three flags. Then what may still go wrong.
 */
export type State = readonly number[];

export interface ModelRules {
  readonly confirms: boolean;
  /** What must stand for a confirmation. */
  readonly check: 'owner-and-counter' | 'owner' | 'nothing';
  readonly quarantine: boolean;
  readonly checksValidity: boolean;
}
export const realRules: ModelRules = { confirms: true, check: 'owner-and-counter', quarantine: true, checksValidity: true };

/**
 * - `forced`: votes vanish at any time (an operator frees them, somebody's clock jumps). Then tokens still come in the order in which
 *   every node saw the votes that counted, and rise from a grant to everybody who asks after it.
 * - `timed`: votes vanish only when their holder's time is over (they expire, or are released), or with a restart of their node. Then there is never
 *   more than one holder, too, and tokens rise from grant to grant.
 */
export type Scope = 'forced' | 'timed';

const NODES = 3;
const QUORUM = 2;
const NODE_FIELDS = 8;
const ATTEMPT_FIELDS = 4;
const ATTEMPTS_AT = NODES * NODE_FIELDS;
const BUDGET_AT = ATTEMPTS_AT + 2 * ATTEMPT_FIELDS;

// Of a node.
const OWNER = 0; // 0 nobody, else attempt + 1
const COUNTER = 1;
const FENCE = 2;
const BARRED = 3; // bit for each attempt that must be over before the node votes again
const KNOWN = 4; // two fields for each attempt: the counter that it heard of (0 none, 255 it was given one and has not heard), and what the vote is worth to it
// What a vote is worth.
const [COUNTS, ASKED, CONFIRMED, REJECTED] = [1, 2, 3, 4]; // 0: not used
const UNTOLD = 255;
// Of an attempt.
const PHASE = 0;
const TOKEN = 1;
const IS_OVER = 2;
const AFTER = 3; // the token of the other one's grant, if that was before this one began
const [IDLE, VOTING, CONFIRMING, GRANTED, GRANTED_LATE] = [0, 1, 2, 3, 4];

/** One step, in words, and where it leads. */
export interface Step {
  readonly what: string;
  readonly to: State;
}

/** Every start: fences that differ, clients whose clocks differ. */
export function initialStates(scope: Scope): readonly State[] {
  const states: State[] = [];
  for (const fences of [
    [0, 0, 0],
    [0, 0, 2],
    [0, 2, 2],
  ]) {
    const state = Array.from({ length: BUDGET_AT + 2 }, () => 0);
    for (const [node, fence] of fences.entries()) state[node * NODE_FIELDS + FENCE] = fence;
    state[BUDGET_AT] = scope === 'forced' ? 1 : 0; // duplicates
    state[BUDGET_AT + 1] = scope === 'timed' ? 1 : 0; // restarts that lose everything
    states.push(state);
  }
  return states;
}

/** Everything that can happen next. */
export function stepsFrom(state: State, scope: Scope, rules: ModelRules): readonly Step[] {
  const steps: Step[] = [];
  // What both have cannot become worse.
  if ([0, 1].every((attempt) => state[ATTEMPTS_AT + attempt * ATTEMPT_FIELDS + PHASE] === GRANTED)) return steps;
  const step = (what: string, change: (next: number[]) => void): void => {
    const next = [...state];
    change(next);
    steps.push({ what, to: next });
  };
  for (let attempt = 0; attempt < 2; attempt++) {
    const name = nameOf(attempt);
    const at = ATTEMPTS_AT + attempt * ATTEMPT_FIELDS;
    const phase = state[at + PHASE] as number;
    const isOver = state[at + IS_OVER] === 1;
    if (phase === IDLE) {
      const other = ATTEMPTS_AT + (1 - attempt) * ATTEMPT_FIELDS;
      step(`${name} begins`, (next) => {
        next[at + PHASE] = VOTING;
        if (state[other + PHASE] === GRANTED) next[at + AFTER] = state[other + TOKEN] as number;
      });
      continue;
    }
    if (!isOver && scope === 'timed') step(`the time of ${name} is over`, (next) => void (next[at + IS_OVER] = 1));
    for (let node = 0; node < NODES; node++) {
      const base = node * NODE_FIELDS;
      const known = base + KNOWN + 2 * attempt;
      // One that is refused is as good as one that has not come yet.
      const isFree = state[base + OWNER] === 0 && !isBarred(state, node);
      const isNew = state[known] === 0;
      if (isFree && (isNew || (state[BUDGET_AT] as number) > 0)) {
        {
          step(`node ${node + 1} gets ${isNew ? 'the request' : 'the request a second time'} of ${name}`, (next) =>
            vote(next, node, attempt, isNew && phase === VOTING),
          );
        }
      }
      if (state[known + 1] === ASKED) step(`node ${node + 1} is asked to confirm ${name}`, (next) => confirm(next, node, attempt, rules));
    }
    const mayWin = !isOver || !rules.checksValidity;
    if (phase === VOTING && mayWin)
      for (const chosen of quorums(state, attempt))
        step(`${name} has the votes of nodes ${chosen.map((node) => node + 1).join(', ')}`, (next) => decide(next, attempt, chosen, rules));
    if (phase === CONFIRMING && worthOf(state, attempt) >= QUORUM && mayWin) {
      step(`${name} has its confirmations`, (next) => void (next[at + PHASE] = isOver ? GRANTED_LATE : GRANTED));
    }
  }
  for (let node = 0; node < NODES; node++) {
    const base = node * NODE_FIELDS;
    const owner = state[base + OWNER] as number;
    if (owner > 0 && (scope === 'forced' || state[ATTEMPTS_AT + (owner - 1) * ATTEMPT_FIELDS + IS_OVER] === 1)) {
      step(`node ${node + 1} loses the vote for ${nameOf(owner - 1)}`, (next) => {
        next[base + OWNER] = 0;
        next[base + COUNTER] = 0;
      });
    }
    if ((state[BUDGET_AT + 1] as number) > 0) step(`node ${node + 1} restarts without data`, (next) => restart(next, node, rules));
  }
  return steps;
}

function isBarred(state: State, node: number): boolean {
  const barred = state[node * NODE_FIELDS + BARRED] as number;
  return [0, 1].some((attempt) => (barred & (1 << attempt)) !== 0 && state[ATTEMPTS_AT + attempt * ATTEMPT_FIELDS + IS_OVER] === 0);
}

/** acquire.lua */
function vote(next: number[], node: number, attempt: number, isTold: boolean): void {
  const base = node * NODE_FIELDS;
  const known = base + KNOWN + 2 * attempt;
  const isFirst = next[known] === 0;
  if (!isFirst) next[BUDGET_AT] = (next[BUDGET_AT] as number) - 1;
  const counter = (next[base + FENCE] as number) + 1;
  next[base + OWNER] = attempt + 1;
  next[base + COUNTER] = counter;
  next[base + FENCE] = counter;
  if (isTold) next[known] = counter;
  else if (isFirst) next[known] = UNTOLD;
}

/** confirm.lua */
function confirm(next: number[], node: number, attempt: number, rules: ModelRules): void {
  const base = node * NODE_FIELDS;
  const known = base + KNOWN + 2 * attempt;
  const isOwners = next[base + OWNER] === attempt + 1;
  const isSame = next[base + COUNTER] === next[known];
  const passes = rules.check === 'nothing' || (isOwners && (isSame || rules.check === 'owner'));
  next[known + 1] = passes ? CONFIRMED : REJECTED;
  if (passes) next[base + FENCE] = Math.max(next[base + FENCE] as number, next[ATTEMPTS_AT + attempt * ATTEMPT_FIELDS + TOKEN] as number);
}

/** The client, with the replies of these nodes and none else. */
function decide(next: number[], attempt: number, chosen: readonly number[], rules: ModelRules): void {
  const at = ATTEMPTS_AT + attempt * ATTEMPT_FIELDS;
  const counters = chosen.map((node) => next[node * NODE_FIELDS + KNOWN + 2 * attempt] as number);
  const token = Math.max(...counters);
  next[at + TOKEN] = token;
  for (const [index, node] of chosen.entries())
    next[node * NODE_FIELDS + KNOWN + 2 * attempt + 1] = counters[index] === token || !rules.confirms ? COUNTS : ASKED;
  const isLate = next[at + IS_OVER] === 1;
  const isWon = worthOf(next, attempt) >= QUORUM && (!isLate || !rules.checksValidity);
  next[at + PHASE] = !isWon ? CONFIRMING : isLate ? GRANTED_LATE : GRANTED;
}

/** A node that forgot its vote. Its counters go on above all others: its clock has passed them while it abstained. */
function restart(next: number[], node: number, rules: ModelRules): void {
  const base = node * NODE_FIELDS;
  next[BUDGET_AT + 1] = (next[BUDGET_AT + 1] as number) - 1;
  next[base + OWNER] = 0;
  next[base + COUNTER] = 0;
  next[base + FENCE] = Math.max(...[0, 1, 2].map((other) => next[other * NODE_FIELDS + FENCE] as number));
  if (!rules.quarantine) return;
  for (const attempt of [0, 1])
    if (next[ATTEMPTS_AT + attempt * ATTEMPT_FIELDS + PHASE] !== IDLE)
      next[base + BARRED] = (next[base + BARRED] as number) | (1 << attempt);
}

/** Every set of reported votes that a quorum can be: what is not in it is still on its way. */
function quorums(state: State, attempt: number): readonly (readonly number[])[] {
  const told = [0, 1, 2].filter((node) => {
    const counter = state[node * NODE_FIELDS + KNOWN + 2 * attempt] as number;
    return counter > 0 && counter !== UNTOLD;
  });
  if (told.length < QUORUM) return [];
  return told.length === QUORUM ? [told] : [told, ...told.map((left) => told.filter((node) => node !== left))];
}

/** How many votes count for the token. */
function worthOf(state: State, attempt: number): number {
  return [0, 1, 2].filter((node) => countsFor(state, node, attempt)).length;
}

function countsFor(state: State, node: number, attempt: number): boolean {
  const worth = state[node * NODE_FIELDS + KNOWN + 2 * attempt + 1];
  return worth === COUNTS || worth === CONFIRMED;
}

/** What must hold in every state; null when it does. */
export function faultOf(state: State, scope: Scope): string | null {
  const [a, b] = [ATTEMPTS_AT, ATTEMPTS_AT + ATTEMPT_FIELDS];
  for (const at of [a, b]) {
    if (state[at + PHASE] === GRANTED_LATE) return `${nameOf((at - ATTEMPTS_AT) / ATTEMPT_FIELDS)} was granted when its time was over`;
    if (state[at + PHASE] === GRANTED && (state[at + AFTER] as number) >= (state[at + TOKEN] as number)) {
      return `${nameOf((at - ATTEMPTS_AT) / ATTEMPT_FIELDS)} began after a grant with a token that is not lower than its own`;
    }
  }
  if (state[a + PHASE] !== GRANTED || state[b + PHASE] !== GRANTED) return null;
  if (scope === 'timed' && state[a + IS_OVER] === 0 && state[b + IS_OVER] === 0) return 'two holders at once';
  for (let node = 0; node < NODES; node++) {
    if (!countsFor(state, node, 0) || !countsFor(state, node, 1)) continue;
    const [first, second] = [state[node * NODE_FIELDS + KNOWN] as number, state[node * NODE_FIELDS + KNOWN + 2] as number];
    const isBefore = (state[a + TOKEN] as number) < (state[b + TOKEN] as number);
    if (state[a + TOKEN] === state[b + TOKEN] || first < second !== isBefore) {
      return `node ${node + 1} counted ${first} for A and ${second} for B, and the tokens are ${state[a + TOKEN]} and ${state[b + TOKEN]}`;
    }
  }
  return null;
}

/** The same for states that differ in the names of nodes and attempts only. */
export function keyOf(state: State): string {
  const one = keyAs(state, 0);
  const other = keyAs(state, 1);
  return one < other ? one : other;
}

function keyAs(state: State, first: 0 | 1): string {
  const nodes: string[] = [];
  const own = KNOWN + 2 * first;
  const others = KNOWN + 2 * (1 - first);
  for (let base = 0; base < ATTEMPTS_AT; base += NODE_FIELDS) {
    const owner = state[base + OWNER] as number;
    const barred = state[base + BARRED] as number;
    nodes.push(
      String.fromCharCode(
        owner === 0 || first === 0 ? owner : 3 - owner,
        state[base + COUNTER] as number,
        state[base + FENCE] as number,
        first === 0 ? barred : ((barred & 1) << 1) | (barred >> 1),
        state[base + own] as number,
        state[base + own + 1] as number,
        state[base + others] as number,
        state[base + others + 1] as number,
      ),
    );
  }
  nodes.sort();
  const at = ATTEMPTS_AT + first * ATTEMPT_FIELDS;
  const other = ATTEMPTS_AT + (1 - first) * ATTEMPT_FIELDS;
  const rest = [...state.slice(at, at + ATTEMPT_FIELDS), ...state.slice(other, other + ATTEMPT_FIELDS), ...state.slice(BUDGET_AT)];
  return nodes.join('') + String.fromCharCode(...rest);
}

/** A state for people. */
export function show(state: State): string {
  const nodes = [0, 1, 2].map((node) => {
    const base = node * NODE_FIELDS;
    const owner = state[base + OWNER] as number;
    return `${owner === 0 ? '-' : `${nameOf(owner - 1)}:${state[base + COUNTER]}`} fence ${state[base + FENCE]}`;
  });
  const attempts = [0, 1].map((attempt) => {
    const at = ATTEMPTS_AT + attempt * ATTEMPT_FIELDS;
    const phase = ['idle', 'voting', 'confirming', 'granted', 'granted late'][state[at + PHASE] as number];
    return `${nameOf(attempt)} ${phase}${state[at + TOKEN] === 0 ? '' : ` ${state[at + TOKEN]}`}${state[at + IS_OVER] === 1 ? ', over' : ''}`;
  });
  return `${nodes.join(' | ')} || ${attempts.join(' | ')}`;
}

function nameOf(attempt: number): string {
  return attempt === 0 ? 'A' : 'B';
}
