// Requests that expire, as an explicit-state model: every order of sends, deliveries (any order, any delay, lost, sent again by a driver),
// time-outs, retries and releases, a slip between the clocks, a jump of the server's clock, a fail-over. One client with two attempts, one
// after the other, at one lock; times are ticks.

/** The protocol's numbers, and what goes on around it. */
export interface Setting {
  readonly horizon: number;
  /** How long a request may take. */
  readonly timeout: number;
  readonly ttl: number;
  readonly guard: number;
  /** What the factor on a sample's age comes to. */
  readonly slack: number;
  readonly window: number;
  readonly margin: number;
  readonly mostMessages: number;
  /** Messages that may be lost. */
  readonly losses: number;
  /** The local clock may lose a tick. */
  readonly slips: boolean;
  /** The server's clock may jump by so much, once. */
  readonly jump: number;
  /** A successor may take over, whose clock differs by so much; with `losesWrite` it lacks the last write. */
  readonly failover: { readonly offset: number; readonly losesWrite: boolean } | null;
  /** A driver may send an acquire twice. */
  readonly resends: boolean;
  readonly renews: boolean;
  readonly crashes: boolean;
  readonly rules: Rules;
}

/** What a mutant changes. */
export interface Rules {
  /** Requests are refused behind their last moment. */
  readonly expires: boolean;
  /** A doubt ends with a release of this kind. */
  readonly doubtEnds: 'strictly-later' | 'not-earlier' | 'at-once' | 'after-a-wait';
  /** Which of an owner's requests says until when it may take effect. */
  readonly remembers: 'largest' | 'first';
  /** A release ends a hold only where no second copy of a request may be on its way. */
  readonly distrustsCopies: boolean;
  readonly refusalEndsDoubt: boolean;
  readonly retryCountsFrom: 'its-refusal' | 'shared-sample';
  readonly renewalsExpire: boolean;
}

export const rules: Rules = {
  expires: true,
  doubtEnds: 'strictly-later',
  remembers: 'largest',
  distrustsCopies: false,
  refusalEndsDoubt: false,
  retryCountsFrom: 'its-refusal',
  renewalsExpire: true,
};

export const setting: Setting = {
  horizon: 7,
  timeout: 2,
  ttl: 2,
  guard: 1,
  slack: 1,
  window: 9,
  margin: 0,
  mostMessages: 3,
  losses: 2,
  slips: true,
  jump: 0,
  failover: null,
  resends: false,
  renews: true,
  crashes: false,
  rules,
};

type Phase = 'none' | 'asking' | 'held' | 'freeing' | 'doubtful' | 'ended';
type Kind = 'acquire' | 'renew' | 'release';

/** When the server's time was asked, what it said, and which clock that was. */
interface Sample {
  readonly at: number;
  readonly server: number;
  readonly jumps: number;
  readonly node: number;
}

interface Owner {
  readonly phase: Phase;
  readonly askedAt: number;
  readonly retries: number;
  /** As the client remembers it. */
  readonly notAfter: number;
  /** Of all its requests. */
  readonly lastMoment: number;
  readonly until: number;
  readonly unanswered: number;
  readonly isReleasing: boolean;
}

interface Message {
  readonly kind: Kind;
  readonly owner: number;
  readonly sentAt: number;
  readonly notAfter: number;
  /** By which it counts; null without one. */
  readonly by: Sample | null;
  /** Once the server has answered. */
  readonly answer: 'granted' | 'busy' | 'late' | 'yes' | 'no' | null;
  readonly heard: Sample | null;
}

interface Lock {
  readonly owner: number;
  readonly expiry: number;
}

export interface State {
  readonly time: number;
  readonly slip: number;
  readonly node: number;
  readonly jumps: number;
  readonly offsets: readonly [number, number];
  readonly lost: number;
  readonly copies: number;
  readonly hasCrashed: boolean;
  readonly lock: Lock;
  /** Before the last write. */
  readonly former: Lock;
  readonly sample: Sample | null;
  readonly owners: readonly [Owner, Owner];
  readonly messages: readonly Message[];
}

/** What can happen next. `broken` names the property that does not hold any more. */
export interface Move {
  readonly action: string;
  readonly state: State;
  readonly broken: string | null;
}

const NEVER = -100;
const FREE: Lock = { owner: -1, expiry: 0 };
const IDLE: Owner = {
  phase: 'none',
  askedAt: 0,
  retries: 0,
  notAfter: NEVER,
  lastMoment: NEVER,
  until: 0,
  unanswered: 0,
  isReleasing: false,
};

/** @param isMet whether the client has heard of the server's time before */
export function begin(isMet: boolean): State {
  return {
    time: 0,
    slip: 0,
    node: 0,
    jumps: 0,
    offsets: [0, 0],
    lost: 0,
    copies: 0,
    hasCrashed: false,
    lock: FREE,
    former: FREE,
    sample: isMet ? { at: 0, server: 0, jumps: 0, node: 0 } : null,
    owners: [IDLE, IDLE],
    messages: [],
  };
}

const localOf = ({ time, slip }: State): number => time - slip;
const serverOf = ({ time, offsets, node }: State): number => time + (offsets[node] ?? 0);
const isHeldBy = (state: State, owner: number): boolean => state.lock.owner === owner && state.lock.expiry > serverOf(state);

function withOwner(state: State, index: number, change: Partial<Owner>): State {
  const [first, second] = state.owners;
  return { ...state, owners: index === 0 ? [{ ...first, ...change }, second] : [first, { ...second, ...change }] };
}

function without(messages: readonly Message[], index: number): readonly Message[] {
  return messages.filter((_, i) => i !== index);
}

const write = (state: State, lock: Lock): State => ({ ...state, lock, former: state.lock });

/** Everything that can happen in a state. */
export function movesOf(state: State, on: Setting): readonly Move[] {
  const moves: Move[] = [];
  const add = (action: string, next: State, refusedInTime = false): void => {
    moves.push({ action, state: next, broken: refusedInTime ? 'a timely request was refused' : brokenIn(next, on) });
  };
  if (state.time < on.horizon) add('a tick', { ...state, time: state.time + 1 });
  if (on.slips && state.slip === 0) add('the local clock loses a tick', { ...state, slip: 1 });
  if (on.jump !== 0 && state.jumps === 0) add("the server's clock jumps", jumped(state, on.jump));
  if (on.failover !== null && state.node === 0) add('a fail-over', failedOver(state, on.failover));
  if (on.crashes && !state.hasCrashed) add('the client dies', { ...state, hasCrashed: true });
  if (!state.hasCrashed) for (const owner of [0, 1]) act(state, on, owner, add);
  for (const [index, message] of state.messages.entries()) {
    if (message.answer === null) arrive(state, on, index, add);
    else if (!state.hasCrashed) hear(state, on, index, add);
    if (state.lost < on.losses)
      add(`${message.kind} ${message.owner} is lost`, { ...lose(state, message), messages: without(state.messages, index) });
  }
  return moves;
}

type Add = (action: string, next: State, refusedInTime?: boolean) => void;

function jumped(state: State, by: number): State {
  const offsets: [number, number] = [...state.offsets];
  offsets[state.node === 0 ? 0 : 1] += by;
  return { ...state, offsets, jumps: 1 };
}

function failedOver(state: State, { offset, losesWrite }: NonNullable<Setting['failover']>): State {
  const moved = (lock: Lock): Lock => ({ ...lock, expiry: lock.expiry + offset - state.offsets[0] });
  const lock = moved(losesWrite ? state.former : state.lock);
  return { ...state, node: 1, offsets: [state.offsets[0], offset], lock, former: moved(state.former) };
}

/** What the client may do for one of its attempts. */
function act(state: State, on: Setting, index: number, add: Add): void {
  const owner = state.owners[index === 0 ? 0 : 1];
  const now = localOf(state);
  const { phase } = owner;
  const mayBegin = index === 0 || ['doubtful', 'ended'].includes(state.owners[0].phase);
  if (phase === 'none' && mayBegin) {
    const asked = ask(withOwner(state, index, { phase: 'asking', askedAt: now }), on, index, state.sample);
    if (asked !== null) add(`${index} asks`, asked);
  }
  if (phase === 'asking' && now - owner.askedAt >= on.timeout) add(`${index} times out`, withOwner(state, index, { phase: 'doubtful' }));
  if (phase === 'held' && owner.until <= now) add(`${index} is lost at its deadline`, withOwner(state, index, { phase: 'doubtful' }));
  if (phase === 'held' && owner.until > now) {
    const isCertain = owner.unanswered === 0 && !on.rules.distrustsCopies;
    add(`${index} lets go`, withOwner(state, index, { phase: isCertain ? 'freeing' : 'doubtful' }));
    const renewed = on.renews ? renew(state, on, index) : null;
    if (renewed !== null) add(`${index} renews`, renewed);
  }
  if ((phase === 'doubtful' || phase === 'freeing') && !owner.isReleasing) {
    const sent = send(state, on, { kind: 'release', owner: index, sentAt: now, notAfter: 0, by: null, answer: null, heard: null });
    if (sent !== null) add(`${index} releases`, withOwner(sent, index, { isReleasing: true }));
  }
}

function send(state: State, on: Setting, message: Message): State | null {
  return state.messages.length < on.mostMessages ? { ...state, messages: [...state.messages, message] } : null;
}

function momentBy(state: State, on: Setting, by: Sample | null): number {
  return by === null ? NEVER : by.server + (localOf(state) - by.at) + on.timeout + on.slack;
}

/** @param by what it counts from; what the shared sample was taken for if `on` says so */
function ask(state: State, on: Setting, index: number, by: Sample | null): State | null {
  const notAfter = momentBy(state, on, on.rules.retryCountsFrom === 'its-refusal' ? by : state.sample);
  const sent = send(state, on, { kind: 'acquire', owner: index, sentAt: localOf(state), notAfter, by, answer: null, heard: null });
  if (sent === null) return null;
  const owner = state.owners[index === 0 ? 0 : 1];
  const keepsFirst = on.rules.remembers === 'first' && owner.notAfter > NEVER;
  return withOwner(sent, index, {
    unanswered: owner.unanswered + 1,
    notAfter: keepsFirst ? owner.notAfter : Math.max(owner.notAfter, notAfter),
    lastMoment: Math.max(owner.lastMoment, notAfter),
  });
}

function renew(state: State, on: Setting, index: number): State | null {
  if (state.sample === null) return null;
  const notAfter = momentBy(state, on, state.sample);
  const sent = send(state, on, {
    kind: 'renew',
    owner: index,
    sentAt: localOf(state),
    notAfter,
    by: state.sample,
    answer: null,
    heard: null,
  });
  if (sent === null) return null;
  return withOwner(sent, index, { lastMoment: Math.max(state.owners[index === 0 ? 0 : 1].lastMoment, notAfter) });
}

function lose(state: State, { kind, owner }: Message): State {
  const lost = { ...state, lost: state.lost + 1 };
  return kind === 'release' ? withOwner(lost, owner, { isReleasing: false }) : lost;
}

/** A request reaches the server, once or (by a driver that sends again) with another copy to come. */
function arrive(state: State, on: Setting, index: number, add: Add): void {
  const message = state.messages[index] as Message;
  const { kind, owner } = message;
  const now = serverOf(state);
  const expires = kind === 'acquire' ? on.rules.expires : kind === 'renew' && on.rules.expires && on.rules.renewalsExpire;
  const isLate = expires && (now > message.notAfter || now < message.notAfter - on.window);
  const { by } = message;
  const wasTimely =
    by !== null &&
    by.jumps === state.jumps &&
    by.node === state.node &&
    localOf(state) - message.sentAt <= on.timeout &&
    message.notAfter > NEVER / 2;
  const heard: Sample = { at: message.sentAt, server: now, jumps: state.jumps, node: state.node };
  const [after, answer] = carryOut(state, on, message, isLate);
  for (const isCopied of on.resends && kind === 'acquire' && state.copies === 0 ? [false, true] : [false]) {
    const rest = isCopied ? state.messages : without(state.messages, index);
    const base: State = { ...after, messages: rest, copies: state.copies + (isCopied ? 1 : 0) };
    const replied = send(base, on, { ...message, answer, heard, by: null, notAfter: 0 });
    const what = `the server: ${kind} ${owner} at ${now}: ${answer}${isCopied ? ', and it will come once more' : ''}`;
    const refused = isLate && kind === 'acquire' && wasTimely;
    if (replied !== null) add(what, replied, refused);
    if (state.lost < on.losses) add(`${what}, the reply is lost`, lose(base, message), refused);
  }
}

function carryOut(state: State, on: Setting, { kind, owner }: Message, isLate: boolean): readonly [State, NonNullable<Message['answer']>] {
  if (isLate) return [state, 'late'];
  const expiry = serverOf(state) + on.ttl + on.guard;
  const isOwn = isHeldBy(state, owner);
  if (kind === 'release') return [state.lock.owner === owner ? write(state, FREE) : state, isOwn ? 'yes' : 'no'];
  if (isOwn) return [write(state, { owner, expiry: Math.max(state.lock.expiry, expiry) }), kind === 'acquire' ? 'granted' : 'yes'];
  if (kind === 'renew') return [state, 'no'];
  return state.lock.expiry <= serverOf(state) ? [write(state, { owner, expiry }), 'granted'] : [state, 'busy'];
}

/** The client reads a reply. */
function hear(state: State, on: Setting, index: number, add: Add): void {
  const message = state.messages[index] as Message;
  const { kind, owner: of, answer, heard, sentAt } = message;
  const now = localOf(state);
  // What took longer than its time is too vague, and what crossed a newer one is not taken.
  const isTaken = heard !== null && now - sentAt <= on.timeout && (state.sample === null || sentAt >= state.sample.at);
  let next: State = { ...state, messages: without(state.messages, index), sample: isTaken ? heard : state.sample };
  const owner = state.owners[of === 0 ? 0 : 1];
  const { phase } = owner;
  const end = (certain: boolean): Phase => (certain && !on.rules.distrustsCopies ? 'ended' : 'doubtful');
  if (kind === 'acquire') {
    const unanswered = owner.unanswered - 1;
    next = withOwner(next, of, { unanswered });
    if (phase === 'asking' && answer === 'granted') {
      const until = sentAt + on.ttl;
      next = withOwner(next, of, until > now ? { phase: 'held', until } : { phase: 'doubtful' });
    } else if (phase === 'asking' && answer === 'busy') next = withOwner(next, of, { phase: end(unanswered === 0) });
    else if (phase === 'asking' && owner.retries === 0 && now - owner.askedAt < on.timeout) {
      const again = ask(withOwner(next, of, { retries: 1 }), on, of, heard);
      if (again === null) return;
      next = again;
    } else if (phase === 'asking') next = withOwner(next, of, { phase: 'doubtful' });
    else if (phase === 'doubtful' && answer === 'late' && on.rules.refusalEndsDoubt) next = withOwner(next, of, { phase: 'ended' });
  } else if (kind === 'renew') {
    if (phase === 'held' && answer === 'yes' && owner.until > now)
      next = withOwner(next, of, { until: Math.max(owner.until, sentAt + on.ttl) });
    else if (phase === 'held' && answer === 'no') next = withOwner(next, of, { phase: 'doubtful' });
  } else {
    next = withOwner(next, of, { isReleasing: false });
    if (phase === 'freeing') next = withOwner(next, of, { phase: 'ended' });
    else if (phase === 'doubtful' && endsDoubt(owner, on, heard?.server ?? 0, now)) next = withOwner(next, of, { phase: 'ended' });
  }
  add(`${of} hears of its ${kind}: ${answer}`, next);
}

function endsDoubt({ notAfter, askedAt }: Owner, { rules: { doubtEnds }, margin, timeout }: Setting, server: number, now: number): boolean {
  if (doubtEnds === 'at-once') return true;
  if (doubtEnds === 'after-a-wait') return now - askedAt >= 2 * timeout;
  return doubtEnds === 'not-earlier' ? server >= notAfter + margin : server > notAfter + margin;
}

function brokenIn(state: State, on: Setting): string | null {
  for (const [index, { phase, lastMoment }] of state.owners.entries()) {
    if (phase === 'ended' && isHeldBy(state, index)) return 'something stands of an owner whose doubt has ended';
    const isCalm = state.jumps === 0 && state.node === 0 && lastMoment > NEVER / 2;
    if (isCalm && state.lock.owner === index && state.lock.expiry > lastMoment + on.ttl + on.guard)
      return 'a hold outlasts the last moment of its requests';
  }
  return null;
}
