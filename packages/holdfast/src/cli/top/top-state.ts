import type { LockState } from '@holdfast/core';
import type { LockRow } from '../../view/lock-row.js';
import { keyOf } from '../../view/lock-row.js';
import type { Look } from '../../view/lock-watch.js';
import { arrange, type SortKey, sortKeys, type View } from '../../view/order.js';

/** One name by itself: what the store last said of it. */
export interface Detail {
  readonly row: LockRow;
  /** null before the first answer. */
  readonly state: LockState | null;
}

/** What is asked, or typed, in the last line. */
export type Dialogue =
  | { readonly kind: 'filter'; readonly text: string }
  | { readonly kind: 'release'; readonly row: LockRow }
  | { readonly kind: 'help' };

/** All that is on the screen, and what keys do next. */
export interface TopState {
  readonly look: Look | null;
  /** Why the last look failed; null when it did not. */
  readonly failure: string | null;
  readonly view: View;
  /** The rows of the last look that are wanted, in order. */
  readonly rows: readonly LockRow[];
  /** Which row is chosen, by its key: it stays chosen wherever the order moves it. */
  readonly chosen: string | null;
  readonly detail: Detail | null;
  readonly dialogue: Dialogue | null;
  readonly isPaused: boolean;
  /** What was last done, in a sentence. */
  readonly notice: string | null;
}

/** A key that was pressed. */
export interface Key {
  /** What it types; undefined for keys that type nothing. */
  readonly text: string | undefined;
  /** Such as `up`, `return`, `q`. */
  readonly name: string | undefined;
  readonly ctrl: boolean;
}

/** What is to be done because of a key. */
export type Command =
  | { readonly do: 'quit' }
  | { readonly do: 'inspect'; readonly row: LockRow }
  | { readonly do: 'release'; readonly row: LockRow };

export function newTop(view: View): TopState {
  return { look: null, failure: null, view, rows: [], chosen: null, detail: null, dialogue: null, isPaused: false, notice: null };
}

/** What a look brings. While it is paused the rows stay as they are. */
export function looked(state: TopState, look: Look): TopState {
  if (state.isPaused) return { ...state, failure: null };
  return arranged({ ...state, look, failure: null });
}

export function failed(state: TopState, failure: string): TopState {
  return { ...state, failure };
}

export function inspected(state: TopState, row: LockRow, found: LockState): TopState {
  return state.detail === null || keyOf(state.detail.row) !== keyOf(row) ? state : { ...state, detail: { row, state: found } };
}

export function noticed(state: TopState, notice: string): TopState {
  return { ...state, notice };
}

/** Which row is chosen; -1 when there is none. */
export function chosenIndex({ rows, chosen }: Pick<TopState, 'rows' | 'chosen'>): number {
  const index = rows.findIndex((row) => keyOf(row) === chosen);
  return index < 0 ? Math.min(0, rows.length - 1) : index;
}

/** What a key does. @param page how many rows the screen shows */
export function pressed(state: TopState, key: Key, page: number): readonly [TopState, Command | null] {
  if (key.ctrl && (key.name === 'c' || key.name === 'd')) return [state, { do: 'quit' }];
  const fresh = { ...state, notice: null };
  if (state.dialogue !== null) return inDialogue(fresh, state.dialogue, key);
  if (state.detail !== null) return inDetail(fresh, state.detail, key);
  return inTable(fresh, key, page);
}

function inDialogue(state: TopState, dialogue: Dialogue, key: Key): readonly [TopState, Command | null] {
  const closed = { ...state, dialogue: null };
  switch (dialogue.kind) {
    case 'help':
      return [closed, null];
    case 'release':
      // Anything but a clear yes is a no.
      if (key.text?.toLowerCase() === 'y') return [closed, { do: 'release', row: dialogue.row }];
      return [noticed(closed, 'nothing was taken away'), null];
    case 'filter': {
      if (key.name === 'return' || key.name === 'enter') return [closed, null];
      if (key.name === 'escape') return [filtered(closed, ''), null];
      const text = key.name === 'backspace' ? Array.from(dialogue.text).slice(0, -1).join('') : dialogue.text + typed(key);
      return [filtered({ ...state, dialogue: { kind: 'filter', text } }, text), null];
    }
    default:
      return dialogue satisfies never;
  }
}

function inDetail(state: TopState, { row }: Detail, key: Key): readonly [TopState, Command | null] {
  if (key.text === 'x') return [{ ...state, dialogue: { kind: 'release', row } }, null];
  if (key.name === 'escape' || key.name === 'return' || key.name === 'backspace' || key.text === 'q' || key.name === 'left') {
    return [{ ...state, detail: null }, null];
  }
  return [state, null];
}

function inTable(state: TopState, key: Key, page: number): readonly [TopState, Command | null] {
  const index = chosenIndex(state);
  const row = state.rows[index];
  switch (key.name) {
    case 'up':
      return [choose(state, index - 1), null];
    case 'down':
      return [choose(state, index + 1), null];
    case 'pageup':
      return [choose(state, index - page), null];
    case 'pagedown':
      return [choose(state, index + page), null];
    case 'home':
      return [choose(state, 0), null];
    case 'end':
      return [choose(state, state.rows.length - 1), null];
    case 'return':
    case 'enter':
      return row === undefined
        ? [state, null]
        : [
            { ...state, detail: { row, state: null } },
            { do: 'inspect', row },
          ];
    default:
  }
  switch (key.text) {
    case 'q':
      return [state, { do: 'quit' }];
    case 'k':
      return [choose(state, index - 1), null];
    case 'j':
      return [choose(state, index + 1), null];
    case 's':
      return [viewed(state, { sort: nextSort(state.view.sort) }), null];
    case 'S':
      return [viewed(state, { isReversed: !state.view.isReversed }), null];
    case '/':
      return [{ ...state, dialogue: { kind: 'filter', text: state.view.filter } }, null];
    case 'p':
      return [{ ...state, isPaused: !state.isPaused }, null];
    case 'x':
      return row === undefined ? [state, null] : [{ ...state, dialogue: { kind: 'release', row } }, null];
    case '?':
    case 'h':
      return [{ ...state, dialogue: { kind: 'help' } }, null];
    default:
      return [state, null];
  }
}

function choose(state: TopState, index: number): TopState {
  const row = state.rows[Math.max(0, Math.min(index, state.rows.length - 1))];
  return { ...state, chosen: row === undefined ? null : keyOf(row) };
}

function filtered(state: TopState, filter: string): TopState {
  return viewed(state, { filter });
}

function viewed(state: TopState, change: Partial<View>): TopState {
  return arranged({ ...state, view: { ...state.view, ...change } });
}

function arranged(state: TopState): TopState {
  const rows = arrange(state.look?.rows ?? [], state.view);
  const before = chosenIndex(state);
  const next = { ...state, rows };
  if (rows.some((row) => keyOf(row) === state.chosen)) return next;
  // What was chosen has gone: what stands in its place is chosen.
  return choose(next, Math.max(0, before));
}

function nextSort(key: SortKey): SortKey {
  return sortKeys[(sortKeys.indexOf(key) + 1) % sortKeys.length] ?? 'name';
}

/** What a key types, without what only commands a terminal. */
function typed({ text = '', ctrl }: Key): string {
  return ctrl ? '' : text.replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, '');
}
