import { describe, expect, it } from 'vitest';
import { stepWait } from '../src/waiting/step-wait.js';
import type { WaitEffect, WaitEvent, WaitState } from '../src/waiting/wait-state.js';
import { readTable } from './machine-table.js';

const PAUSE_MS = 70;
const reason = new Error('over');

const states: Readonly<Record<string, WaitState>> = {
  queued: { at: 'queued', refusals: 0, isContended: false },
  'queued, contended': { at: 'queued', refusals: 0, isContended: true },
  asking: { at: 'asking', refusals: 0, isContended: false, isWoken: false },
  'asking, contended': { at: 'asking', refusals: 3, isContended: true, isWoken: false },
  'asking, woken': { at: 'asking', refusals: 3, isContended: true, isWoken: true },
  pausing: { at: 'pausing', refusals: 3, isContended: true, isDeaf: false },
  'pausing, deaf': { at: 'pausing', refusals: 3, isContended: true, isDeaf: true },
  ended: { at: 'ended', refusals: 3, isContended: true },
};

const events: Readonly<Record<string, WaitEvent>> = {
  'turn: ask': { type: 'turn', may: 'ask' },
  'turn: stay': { type: 'turn', may: 'stay' },
  yield: { type: 'yield', forMs: PAUSE_MS },
  behind: { type: 'behind' },
  busy: { type: 'busy', isHeard: true, pauseMs: PAUSE_MS },
  'busy, wake-ups not heard yet': { type: 'busy', isHeard: false, pauseMs: PAUSE_MS },
  failed: { type: 'failed', pauseMs: PAUSE_MS },
  woken: { type: 'woken' },
  due: { type: 'due' },
  granted: { type: 'granted' },
  end: { type: 'end', reason },
};

function nameOf(state: WaitState): string {
  if (state.at === 'asking' && state.isWoken) return 'asking, woken';
  if (state.at === 'pausing' && state.isDeaf) return 'pausing, deaf';
  return state.at === 'queued' && state.isContended ? 'queued, contended' : state.at;
}

function show(effect: WaitEffect): string {
  if (effect.do !== 'timer') return effect.do.replace('-', ' ');
  if (effect.after === Number.POSITIVE_INFINITY) return 'no timer';
  return effect.after === PAUSE_MS ? 'timer: pause' : `timer: ${effect.after} ms`;
}

const rows = readTable('states of a wait');

describe('the machine of a wait', () => {
  it('has a table whose rows name states and events that there are, each pair once', () => {
    for (const { state, event } of rows) expect([state, event, state in states, event in events]).toEqual([state, event, true, true]);
    expect(new Set(rows.map(({ state, event }) => `${state} | ${event}`)).size).toBe(rows.length);
    expect(rows.length).toBeGreaterThan(20);
  });

  describe.each(Object.entries(states))('in the state %s', (stateName, state) => {
    it.each(Object.entries(events))('does at %s what its row says, or nothing where there is none', (eventName, event) => {
      const find = (name: string) => rows.find((row) => row.state === name && row.event === eventName);
      const row = find(stateName) ?? find(stateName.replace(/, .*$/, ''));
      const [next, effects] = stepWait(state, event);
      if (row === undefined) expect([next, effects]).toEqual([state, []]);
      else expect([nameOf(next), effects.map(show).join(', ')]).toEqual([row.next, row.effects]);
    });
  });

  it('counts refusals, and keeps what it knows over failures and turns', () => {
    const [busy] = stepWait(states['asking, contended'] as WaitState, events['busy'] as WaitEvent);
    expect(busy.refusals).toBe(4);
    const [asking] = stepWait(busy, { type: 'turn', may: 'ask' });
    const [failed] = stepWait(asking, { type: 'failed', pauseMs: PAUSE_MS });
    expect(failed).toMatchObject({ refusals: 4, isContended: true });
  });

  it('emits that it waits once', () => {
    let state = states['queued'] as WaitState;
    let emitted = 0;
    for (const event of [events['behind'], events['turn: stay'], events['turn: ask'], events['behind'], events['busy']]) {
      const [next, effects] = stepWait(state, event as WaitEvent);
      state = next;
      emitted += effects.filter((effect) => effect.do === 'emit').length;
    }
    expect(emitted).toBe(1);
  });
});
