import type { LockState } from '@holdfast/core';
import { describe, expect, it } from 'vitest';
import { displayWidth } from '../src/cli/display-width.js';
import { frameOf } from '../src/cli/top/top-frame.js';
import { chosenIndex, type Key, looked, newTop, pressed, type TopState } from '../src/cli/top/top-state.js';
import { HolderChanges } from '../src/view/holder-changes.js';
import { rowOf } from '../src/view/lock-row.js';
import type { Look } from '../src/view/lock-watch.js';
import { arrange, plainView } from '../src/view/order.js';

interface StateOptions {
  readonly heldMs?: number;
  readonly waiters?: number;
  readonly token?: bigint;
  readonly label?: string | null;
}

function stateOf(name: string, { heldMs = 1_000, waiters = 0, token = 1n, label = 'worker' }: StateOptions = {}): LockState {
  const holder = { label, mode: 'exclusive', permits: 1, remainingMs: 30_000, fencingToken: token, heldMs } as const;
  return { name, kind: 'lock', held: true, holders: [holder], waiters, oldestWaitMs: waiters > 0 ? 500 : null };
}

function lookOf(...states: readonly LockState[]): Look {
  return { at: 0, rows: states.map(rowOf), isCut: false, changesPerSecond: null, nextInMs: 1_000 };
}

function topOf(...states: readonly LockState[]): TopState {
  return looked(newTop(plainView), lookOf(...states));
}

function typed(text: string): Key {
  return { text, name: undefined, ctrl: false };
}

function named(name: string): Key {
  return { text: undefined, name, ctrl: false };
}

function after(state: TopState, ...keys: readonly Key[]): TopState {
  return keys.reduce((now, key) => pressed(now, key, 10)[0], state);
}

const names = (state: TopState): readonly string[] => state.rows.map(({ name }) => name);

describe('the rows', () => {
  it('go by name, or what is chosen, the largest first, and the other way round', () => {
    const state = topOf(stateOf('b', { heldMs: 5 }), stateOf('a', { heldMs: 9 }), stateOf('c', { heldMs: 7, waiters: 3 }));
    expect(names(state)).toEqual(['a', 'b', 'c']);
    // name, kind, holder, held
    const held = after(state, typed('s'), typed('s'), typed('s'));
    expect(held.view.sort).toBe('held');
    expect(names(held)).toEqual(['a', 'c', 'b']);
    expect(names(after(held, typed('S')))).toEqual(['b', 'c', 'a']);
  });

  it('have what is not known at the end, whichever way round', () => {
    const unknown = { ...rowOf(stateOf('u')), remainingMs: null };
    const rows = [unknown, { ...rowOf(stateOf('long')), remainingMs: 9 }, { ...rowOf(stateOf('short')), remainingMs: 2 }];
    const sorted = (isReversed: boolean): readonly string[] =>
      arrange(rows, { ...plainView, sort: 'left', isReversed }).map(({ name }) => name);
    expect(sorted(false)).toEqual(['short', 'long', 'u']);
    expect(sorted(true)).toEqual(['long', 'short', 'u']);
  });

  it('are those with a text in the name or the holder, until escape', () => {
    const state = topOf(stateOf('orders:1'), stateOf('invoice', { label: 'Order-Worker' }), stateOf('x', { label: null }));
    const filtered = after(state, typed('/'), ...Array.from('ORDER', typed));
    expect(names(filtered)).toEqual(['invoice', 'orders:1']);
    expect(names(after(filtered, named('backspace')))).toHaveLength(2);
    expect(names(after(filtered, named('return'), typed('q')))).toHaveLength(2);
    expect(names(after(filtered, named('escape')))).toHaveLength(3);
  });

  it('keep the chosen one wherever the order moves it, and choose the next when it has gone', () => {
    const state = after(topOf(stateOf('a'), stateOf('b'), stateOf('c')), named('down'));
    expect(chosenIndex(state)).toBe(1);
    const moved = looked(state, lookOf(stateOf('a'), stateOf('a2'), stateOf('b'), stateOf('c')));
    expect(moved.rows[chosenIndex(moved)]?.name).toBe('b');
    const gone = looked(state, lookOf(stateOf('a'), stateOf('c')));
    expect(gone.rows[chosenIndex(gone)]?.name).toBe('c');
    expect(chosenIndex(looked(state, lookOf()))).toBe(-1);
  });

  it('stand still while it is paused', () => {
    const paused = after(topOf(stateOf('a')), typed('p'));
    expect(names(looked(paused, lookOf(stateOf('b'))))).toEqual(['a']);
    expect(names(looked(after(paused, typed('p')), lookOf(stateOf('b'))))).toEqual(['b']);
  });
});

describe('taking a lock away', () => {
  const asked = after(topOf(stateOf('a')), typed('x'));

  it('is asked first, with the name and the holder', () => {
    expect(asked.dialogue).toMatchObject({ kind: 'release', row: { name: 'a' } });
    expect(frameOf(asked, around()).at(-1)?.text).toMatch(/^Take it away\? \[y\/N\] .*"a" from worker/);
  });

  it('takes y for a yes and anything else for a no', () => {
    expect(pressed(asked, typed('y'), 10)[1]).toMatchObject({ do: 'release', row: { name: 'a' } });
    for (const key of [typed('n'), named('return'), named('escape'), typed('x'), typed(' ')]) {
      const [state, command] = pressed(asked, key, 10);
      expect(command).toBeNull();
      expect(state.dialogue).toBeNull();
    }
  });

  it('means the row that was asked about, whatever is chosen since', () => {
    const changed = looked(asked, lookOf(stateOf('0'), stateOf('b')));
    expect(pressed(changed, typed('y'), 10)[1]).toMatchObject({ do: 'release', row: { name: 'a' } });
  });
});

function around({
  columns = 80,
  lines = 10,
  blindSpot = null,
}: {
  readonly columns?: number;
  readonly lines?: number;
  readonly blindSpot?: string | null;
} = {}) {
  return { title: 'memory:', blindSpot, columns, lines };
}

describe('the screen', () => {
  const wide = topOf(stateOf('漢字の名前漢字の名前漢字の名前漢字の名前', { label: '作業者' }), stateOf('a'), stateOf('e\u0301\u0301x'));

  it.each([1, 7, 20, 33, 48, 79, 80, 100, 250])('is never wider than %i columns, nor longer than its lines', (columns) => {
    for (const state of [wide, after(wide, named('return')), after(wide, typed('?')), after(wide, typed('x')), newTop(plainView)]) {
      for (const lines of [1, 4, 10, 60]) {
        const frame = frameOf(state, around({ columns, lines }));
        expect(frame.length).toBeLessThanOrEqual(lines);
        for (const { text } of frame) expect(displayWidth(text)).toBeLessThanOrEqual(columns);
      }
    }
  });

  it('has its columns in line whatever the names', () => {
    const [, , head, ...rows] = frameOf(wide, around({ columns: 100 }));
    const at = displayWidth(head?.text.slice(0, head.text.indexOf('KIND')) ?? '');
    for (const { text } of rows.slice(0, 3)) expect(displayWidth(text.slice(0, text.indexOf('lock')))).toBe(at);
  });

  it('shows nothing of names and labels that a terminal acts on', () => {
    const evil = '\u001b[2J\u001b]0;x\u0007\u009b31m\r\n\u202e\u2066\u200b\u0085';
    const state = topOf(stateOf(evil, { label: evil }));
    const frames = [state, after(state, named('return')), after(state, typed('x')), after(state, typed('/'), typed(evil))];
    for (const each of frames) {
      for (const { text } of frameOf(each, around({ columns: 200 }))) expect(text).not.toMatch(/[\p{Cc}\p{Cf}]/u);
    }
  });

  it('says what it cannot see, and what it has left out', () => {
    expect(frameOf(topOf(), around({ blindSpot: 'postgres cannot list' }))[1]?.text).toBe('postgres cannot list');
    expect(frameOf(looked(newTop(plainView), { ...lookOf(), isCut: true }), around())[1]?.text).toMatch(/^more than 20000 names/);
    expect(frameOf(topOf(), around())[3]?.text).toBe('nothing is held');
  });
});

describe('changes of holder', () => {
  it('are counted between two looks: other holders, those that came and those that went', () => {
    const changes = new HolderChanges();
    const rows = (...states: readonly LockState[]) => states.map(rowOf);
    expect(changes.note(rows(stateOf('a'), stateOf('b'), stateOf('c')), 0, false)).toBeNull();
    expect(changes.note(rows(stateOf('a'), stateOf('b', { token: 2n }), stateOf('d')), 2_000, false)).toBe(1.5);
    expect(changes.note(rows(stateOf('a'), stateOf('b', { token: 2n }), stateOf('d')), 3_000, false)).toBe(0);
  });

  it('are not counted for names that a look has left out', () => {
    const changes = new HolderChanges();
    const rows = (...states: readonly LockState[]) => states.map(rowOf);
    changes.note(rows(stateOf('a'), stateOf('b')), 0, true);
    expect(changes.note(rows(stateOf('b', { token: 2n }), stateOf('c')), 1_000, true)).toBe(1);
    expect(changes.note(rows(stateOf('a'), stateOf('b', { token: 2n }), stateOf('c')), 2_000, false)).toBe(0);
    expect(changes.note(rows(stateOf('a')), 3_000, false)).toBe(2);
  });
});
