import { describe, expect, it } from 'vitest';
import { LockUnavailableError } from '../src/errors.js';
import type {
  Asking,
  Doubtful,
  Ended,
  Grant,
  Held,
  HoldEffect,
  HoldEvent,
  HoldFacts,
  HoldState,
  Releasing,
} from '../src/hold/hold-state.js';
import { storeFacts } from '../src/hold/hold-times.js';
import { step } from '../src/hold/step.js';
import { createMemoryBackend } from '../src/memory/index.js';
import { readArrows, readTable, type TableRow } from './machine-table.js';

const NOW = { now: 10_000, wall: 1_000_000 };
const error = new LockUnavailableError('no answer', { backend: 'any' });
const hold: HoldFacts = {
  plan: {
    kind: 'lock',
    name: 'a',
    key: 'lock:a',
    mode: 'exclusive',
    permits: 1,
    limit: 1,
    label: 'me',
    ttlMs: 3_000,
    storeTtlMs: 3_300,
    renew: true,
    requestNo: 1,
    wasContended: false,
    keptLabel: 'me',
    maxHoldMs: 60_000,
  },
  store: { backend: 'any', isSession: false, sessionMs: Number.POSITIVE_INFINITY, commandTimeoutMs: 500 },
};
const ago = (ms: number): Grant['stamp'] => ({ now: NOW.now - ms, wall: NOW.wall - ms });
const grant = (ms: number): Grant => ({ stamp: ago(ms), fencingToken: 7n });
const held = (over: Partial<Held> = {}): Held => ({
  at: 'held',
  hold,
  grant: grant(1_000),
  end: null,
  deadline: { now: NOW.now + 2_000, wall: NOW.wall + 2_000 },
  capMs: Number.POSITIVE_INFINITY,
  renewAt: NOW.now + 500,
  longestTtlMs: 3_000,
  isConfirmed: true,
  ...over,
});
const doubtful = (release: Doubtful['release'], over: Partial<Doubtful> = {}): Doubtful => ({
  at: 'doubtful',
  hold,
  grant: null,
  end: { how: 'not-granted' },
  until: NOW.now + 5_000,
  isSettled: false,
  release,
  pauseMs: 50,
  ...over,
});
const releasing: Releasing = { at: 'releasing', hold, grant: grant(1_000), end: null, longestTtlMs: 3_000 };
const asking = (facts: HoldFacts): Asking => ({ at: 'asking', hold: facts, grant: null, end: null });
const granted = (agoMs: number, forMs?: number): HoldEvent => ({ type: 'granted', fencingToken: 7n, stamp: ago(agoMs), forMs });
const ended: Ended = { at: 'ended', hold, grant: null, end: { how: 'not-granted' } };
const passed = { now: NOW.now - 1, wall: NOW.wall - 1 };

/** A state as a row of the table names it; a hold whose time has come stands beside it where a row needs one. */
const states: Readonly<Record<string, HoldState>> = {
  asking: asking(hold),
  held: held(),
  'held, renewal due': held({ renewAt: NOW.now }),
  'held, deadline passed': held({ deadline: passed }),
  'held, not confirmed': held({ renewAt: NOW.now, isConfirmed: false, hold: { ...hold, plan: { ...hold.plan, renew: false } } }),
  'held, at max-hold': held({ grant: grant(60_000) }),
  releasing,
  'doubtful, waiting': doubtful('waiting'),
  'doubtful, waiting, time over': doubtful('waiting', { until: NOW.now }),
  'doubtful, under way': doubtful('under-way'),
  'doubtful, under way, time over': doubtful('under-way', { until: NOW.now }),
  'doubtful, stale': doubtful('stale'),
  'doubtful, stale, time over': doubtful('stale', { until: NOW.now }),
  ended,
};

const events: Readonly<Record<string, HoldEvent>> = {
  'granted in time': granted(100),
  'granted for a while': granted(500, 1_800),
  'granted for a while, too late': granted(1_800, 1_800),
  'granted too late': granted(3_000),
  refused: { type: 'refused' },
  unanswered: { type: 'unanswered', isSettled: false },
  settled: { type: 'settled' },
  expired: { type: 'expired' },
  due: { type: 'due' },
  renewed: { type: 'renewed', stamp: ago(10), beliefMs: 3_000, extensionMs: null },
  'renew-failed': { type: 'renew-failed', error },
  extend: { type: 'extend', ttlMs: 9_000 },
  extended: { type: 'renewed', stamp: ago(10), beliefMs: 9_000, extensionMs: 9_000 },
  'gone: taken, forced, session': { type: 'gone', reason: 'taken' },
  'gone: closed': { type: 'gone', reason: 'closed' },
  unused: { type: 'unused' },
  detach: { type: 'detach' },
  release: { type: 'release' },
  'freed, final': { type: 'freed', wasOurs: true, isFinal: true },
  'freed, not final': { type: 'freed', wasOurs: true, isFinal: false },
  'not-freed': { type: 'not-freed', error },
};

function nameOf(state: HoldState): string {
  const reason = state.end?.how === 'lost' ? `lost: ${state.end.error.reason}` : (state.end?.how ?? '');
  if (state.at === 'doubtful') return `doubtful, ${state.release.replace('-', ' ')} (${reason})`;
  return state.at === 'ended' ? `ended (${reason})` : state.at;
}

/** What stands so many ms after now in the states above: a third of the ttl from now, from the last stamp, and so on. */
const times: Readonly<Record<number, string>> = {
  0: 'now',
  50: 'pause',
  100: 'soon',
  250: 'retry',
  300: 'guard',
  500: 'renewal',
  900: 'renewal',
  1_300: 'deadline',
  2_000: 'deadline',
};

function show(effect: HoldEffect): string {
  switch (effect.do) {
    case 'timer':
      return effect.at === Number.POSITIVE_INFINITY ? 'no timer' : `timer: ${times[Math.round(effect.at - NOW.now)] ?? 'unknown'}`;
    case 'send':
      return `send ${effect.what}${effect.what === 'release' && effect.soon ? ' soon' : ''}`;
    case 'emit':
      return `emit ${effect.type}`;
    case 'settle':
      return 'error' in effect ? 'settle: error' : `settle: ${effect.wasOurs}`;
    case 'abort':
      return 'abort';
    default:
      return effect satisfies never;
  }
}

const rows = readTable('states of a hold');

/** A row of a state itself goes before that of the state which it is a variant of. */
function rowOf(state: string, event: string): TableRow | undefined {
  const find = (name: string): TableRow | undefined => rows.find((row) => row.state === name && row.event === event);
  return find(state) ?? find(state.replace(/, [^,]*$/, ''));
}

describe('the machine of a hold', () => {
  it('has a table whose rows name states and events that there are, each pair once', () => {
    for (const { state, event } of rows) expect([state, event, state in states, event in events]).toEqual([state, event, true, true]);
    expect(new Set(rows.map(({ state, event }) => `${state} | ${event}`)).size).toBe(rows.length);
    expect(rows.length).toBeGreaterThan(30);
  });

  describe.each(Object.entries(states))('in the state %s', (stateName, state) => {
    it.each(Object.entries(events))('does at %s what its row says, or nothing where there is none', (eventName, event) => {
      const row = rowOf(stateName, eventName);
      const [next, effects] = step(state, event, NOW);
      if (row === undefined) expect([next, effects]).toEqual([state, []]);
      else expect([nameOf(next), effects.map(show).join(', ')]).toEqual([row.next, row.effects]);
    });
  });

  it('has a picture with an arrow for each change of state in the table, and no other', () => {
    const changes = rows.map(({ state, next }) => `${state.split(',')[0]} > ${next.split(/[,( ]/)[0]}`);
    expect([...new Set(changes)].sort()).toEqual([...readArrows('states.svg')].sort());
  });

  it('never goes back: what has been released, lost or ended is not held later', () => {
    const order = ['asking', 'held', 'releasing', 'doubtful', 'ended'];
    for (const state of Object.values(states)) {
      for (const event of Object.values(events)) {
        const [next] = step(state, event, NOW);
        expect(order.indexOf(next.at)).toBeGreaterThanOrEqual(order.indexOf(state.at));
      }
    }
  });

  it('moves the deadline of a hold only forward, whatever a renewal says', () => {
    const state = held({ deadline: { now: NOW.now + 9_000, wall: NOW.wall + 9_000 } });
    const [next] = step(state, { type: 'renewed', stamp: ago(10), beliefMs: 3_000, extensionMs: null }, NOW);
    expect(next).toMatchObject({ at: 'held', deadline: state.deadline });
  });

  it('doubts a hold of a session for as long as it lives, and one of a ttl store until it has certainly ended', () => {
    const session = { ...hold, store: { ...hold.store, isSession: true } };
    expect(step(asking(session), { type: 'unanswered', isSettled: false }, NOW)[0]).toMatchObject({ until: Infinity });
    const [doubt] = step(asking(hold), { type: 'unanswered', isSettled: false }, NOW);
    // The request has its timeout, the hold its ttl and guard, and the two clocks a second.
    expect(doubt).toMatchObject({ until: NOW.now + 500 + 3_000 + 300 + 1_000 });
  });

  it('doubles the pause between two releases up to a second', () => {
    let state: HoldState = doubtful('under-way');
    const pauses: number[] = [];
    for (let tries = 0; tries < 7; tries += 1) {
      const [next, effects] = step(state, { type: 'freed', wasOurs: false, isFinal: false }, NOW);
      for (const effect of effects) if (effect.do === 'timer') pauses.push(effect.at - NOW.now);
      [state] = step(next, { type: 'due' }, NOW);
    }
    expect(pauses).toEqual([50, 100, 200, 400, 800, 1_000, 1_000]);
  });

  it('confirms a grant for a while by a renewal with the whole ttl, also of a hold that is not renewed', () => {
    const once = { ...hold, plan: { ...hold.plan, renew: false } };
    const [state, sent] = step(asking(once), granted(500, 1_800), NOW);
    expect(state).toMatchObject({ at: 'held', isConfirmed: false, deadline: { now: NOW.now + 1_300, wall: NOW.wall + 1_300 } });
    expect(sent).toContainEqual({ do: 'send', what: 'renewal', ttlMs: 3_000 });
    const [failed] = step(state, { type: 'renew-failed', error }, NOW);
    expect(step({ ...(failed as Held), renewAt: NOW.now }, { type: 'due' }, NOW)[1]).toEqual(expect.arrayContaining(sent.slice(0, 1)));
    const [confirmed] = step(state, { type: 'renewed', stamp: NOW, beliefMs: 3_000, extensionMs: null }, NOW);
    expect(confirmed).toMatchObject({ isConfirmed: true, deadline: { now: NOW.now + 3_000 } });
    const [, later] = step({ ...(confirmed as Held), renewAt: NOW.now }, { type: 'due' }, NOW);
    expect(later).toContainEqual({ do: 'send', what: 'renewal', ttlMs: null });
  });

  it('counts maxHoldMs of a grant for a while from the grant on, not from the sign of life that it counts by', () => {
    const short = { ...hold, plan: { ...hold.plan, maxHoldMs: 1_000 } };
    const [, effects] = step(asking(short), granted(700, 1_800), NOW);
    expect(effects).toContainEqual({ do: 'timer', at: NOW.now + 1_000 });
  });

  it('believes in a hold of a session no longer than the session lives without a word, and in permits without a token', () => {
    const permits = { ...hold.plan, mode: 'permits' as const };
    const session = { plan: permits, store: { ...hold.store, isSession: true, sessionMs: 2_000 } };
    const [taken] = step(asking(session), granted(500), NOW);
    expect(taken).toMatchObject({ at: 'held', deadline: { now: NOW.now + 1_500 }, grant: { stamp: ago(500), fencingToken: null } });
    expect(step(asking(session), granted(2_000), NOW)[0]).toMatchObject({ at: 'doubtful', end: { how: 'not-granted' } });
  });

  it('knows how long the session that stands lives, not the one that stood when the manager was made', () => {
    const backend = { ...createMemoryBackend(), name: 'any', sessionMs: 2_000 };
    const facts = storeFacts(Object.assign(backend, { capabilities: { ...backend.capabilities, expiry: 'session' as const } }), 500);
    backend.sessionMs = 900;
    expect(facts.sessionMs).toBe(900);
  });

  it('ends a session hold without renewal at its ttl, unless it was extended', () => {
    const session = { ...hold, plan: { ...hold.plan, renew: false }, store: { ...hold.store, isSession: true } };
    const [taken] = step(asking(session), granted(0), NOW);
    expect(taken).toMatchObject({ at: 'held', capMs: 3_000 });
    expect(step(taken, { type: 'renewed', stamp: NOW, beliefMs: 3_000, extensionMs: null }, NOW)[0]).toMatchObject({ capMs: 3_000 });
    expect(step(taken, { type: 'renewed', stamp: NOW, beliefMs: 3_000, extensionMs: 9_000 }, NOW)[0]).toMatchObject({ capMs: 9_000 });
  });
});
