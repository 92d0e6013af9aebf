import type { HolderState } from '@holdfast/core';
import { keyOf, type LockRow, modeOfHolder } from '../../view/lock-row.js';
import { MOST_ROWS } from '../../view/lock-watch.js';
import { displayWidth, fitTo, padTo } from '../display-width.js';
import { showDuration } from '../duration.js';
import type { Style } from '../output.js';
import { printable } from '../printable.js';
import { chosenIndex, type Detail, type TopState } from './top-state.js';

/** One line of the screen, in one style. */
export interface Line {
  readonly text: string;
  readonly style: Style | null;
}

/** What does not change from frame to frame. */
export interface Surroundings {
  /** Where the store is, without secrets. */
  readonly title: string;
  /** What cannot be seen on this store; null where everything is. */
  readonly blindSpot: string | null;
  readonly columns: number;
  readonly lines: number;
}

interface Column {
  readonly title: string;
  readonly width: number;
  readonly side: 'left' | 'right';
  readonly cell: (row: LockRow) => string;
  /** The narrower the screen, the fewer columns: those with the highest number go first. */
  readonly rank: number;
}

const COLUMNS: readonly Column[] = [
  { title: 'KIND', width: 10, side: 'left', rank: 6, cell: ({ kind }) => kind },
  { title: 'MODE', width: 11, side: 'left', rank: 7, cell: ({ mode }) => mode },
  { title: 'HELD', width: 5, side: 'right', rank: 2, cell: ({ heldMs }) => time(heldMs) },
  { title: 'LEFT', width: 5, side: 'right', rank: 4, cell: ({ remainingMs }) => time(remainingMs) },
  { title: 'TOKEN', width: 16, side: 'right', rank: 8, cell: ({ token }) => token ?? '-' },
  { title: 'WAIT', width: 5, side: 'right', rank: 3, cell: ({ waiters }) => (waiters === null ? '-' : String(waiters)) },
  { title: 'OLDEST', width: 6, side: 'right', rank: 5, cell: ({ oldestWaitMs }) => time(oldestWaitMs) },
];
const GAP = 2;
/** Of names and holders, before a column goes. */
const LEAST_TEXT = 24;
const FRAME_LINES = 4;

/** How many rows fit on the screen. */
export function pageOf({ lines }: Pick<Surroundings, 'lines'>): number {
  return Math.max(1, lines - FRAME_LINES);
}

/** The whole screen, a line each, none wider than the screen. Names and labels have nothing in them that a terminal acts on. */
export function frameOf(state: TopState, around: Surroundings): readonly Line[] {
  const body = state.dialogue?.kind === 'help' ? helpLines : state.detail === null ? tableLines(state, around) : detailLines(state.detail);
  const page = pageOf(around) + 1;
  const shown = [...body.slice(0, page), ...Array.from({ length: Math.max(0, page - body.length) }, () => plain(''))];
  return [headLine(state, around), statusLine(state, around), ...shown, footLine(state)]
    .slice(-around.lines)
    .map(({ text, style }) => ({ text: fitTo(text, around.columns), style }));
}

function headLine({ look, rows }: TopState, { title }: Surroundings): Line {
  const names =
    look === null
      ? 'looking'
      : `${rows.length === look.rows.length ? '' : `${rows.length} of `}${look.rows.length}${look.isCut ? '+' : ''} names`;
  const rate = look === null || look.changesPerSecond === null ? '' : `, ${look.changesPerSecond.toFixed(1)} changes of holder/s seen`;
  return { text: `holdfast top  ${printable(title)}  ${names}${rate}`, style: 'bold' };
}

/** What does not work, or is not shown, comes first; else how the rows are chosen. */
function statusLine({ failure, look, view, isPaused }: TopState, { blindSpot }: Surroundings): Line {
  if (failure !== null) return { text: `the last look failed: ${printable(failure)}`, style: 'red' };
  if (look?.isCut === true)
    return { text: `more than ${MOST_ROWS} names are held, and only so many are shown: give a prefix`, style: 'yellow' };
  if (blindSpot !== null) return { text: blindSpot, style: 'yellow' };
  const filter = view.filter === '' ? '' : `, with "${printable(view.filter)}"`;
  return plain(`${isPaused ? 'paused; ' : ''}by ${view.sort}${view.isReversed ? ', reversed' : ''}${filter}`);
}

function tableLines(state: TopState, around: Surroundings): readonly Line[] {
  const columns = columnsFor(around.columns);
  const texts = around.columns - columns.reduce((sum, { width }) => sum + GAP + width, 0) - GAP;
  const nameWidth = Math.max(1, Math.ceil(texts * 0.55));
  const holderWidth = Math.max(1, texts - nameWidth);
  const lineOf = (name: string, holder: string, cells: (column: Column) => string): string =>
    [
      padTo(fitTo(name, nameWidth), nameWidth),
      padTo(fitTo(holder, holderWidth), holderWidth),
      ...columns.map((column) => padTo(fitTo(cells(column), column.width), column.width, column.side)),
    ].join(' '.repeat(GAP));
  const head: Line = { text: lineOf('NAME', 'HELD BY', ({ title }) => title), style: 'dim' };
  const page = pageOf(around);
  const chosen = chosenIndex(state);
  const first = Math.max(0, Math.min(chosen - Math.floor(page / 2), state.rows.length - page));
  const shown = state.rows.slice(first, first + page).map((row): Line => {
    const isChosen = keyOf(row) === state.chosen;
    return { text: lineOf(printable(row.name), holderOf(row), ({ cell }) => cell(row)), style: isChosen ? 'inverse' : null };
  });
  if (shown.length > 0 || state.look === null) return [head, ...shown];
  return [head, plain(state.view.filter === '' && state.view.kind === null ? 'nothing is held' : 'nothing that is held fits')];
}

/** As many columns as leave room for names and holders. */
function columnsFor(width: number): readonly Column[] {
  let columns = COLUMNS;
  const isTooWide = (): boolean => columns.reduce((sum, column) => sum + GAP + column.width, GAP + LEAST_TEXT) > width;
  while (columns.length > 0 && isTooWide()) {
    const last = columns.reduce((a, b) => (a.rank > b.rank ? a : b));
    columns = columns.filter((column) => column !== last);
  }
  return columns;
}

function holderOf({ label, holders }: LockRow): string {
  if (holders === 0) return '-';
  return `${label === null ? 'unknown' : printable(label)}${holders > 1 ? ` +${holders - 1}` : ''}`;
}

function detailLines({ row, state }: Detail): readonly Line[] {
  const head: Line = { text: `${printable(row.name)} (${row.kind})`, style: 'bold' };
  if (state === null) return [head, plain('looking')];
  const waiting = state.waiters === null ? 'the store cannot tell how many wait' : `${state.waiters} waiting`;
  const oldest = state.oldestWaitMs ?? null;
  const status = `${state.held ? 'held' : 'free'}, ${waiting}${oldest === null ? '' : `, the oldest for ${showDuration(oldest)}`}`;
  return [head, plain(status), ...state.holders.flatMap((holder) => ['', ...describe(holder)].map(plain))];
}

function describe(holder: HolderState): readonly string[] {
  const { label, remainingMs, heldMs = null, fencingToken, traceparent = null } = holder;
  return [
    `held by   ${label === null ? 'unknown' : printable(label)}`,
    `mode      ${modeOfHolder(holder)}`,
    `held for  ${heldMs === null ? 'the store cannot tell' : showDuration(heldMs)}`,
    `left      ${remainingMs === null ? 'until its session ends' : `${showDuration(remainingMs)}, unless it is renewed`}`,
    `token     ${fencingToken === null ? 'none' : String(fencingToken)}`,
    ...(traceparent === null ? [] : [`trace     ${traceparent}`]),
  ];
}

const helpLines: readonly Line[] = [
  'up, down, j, k     choose a row; page up, page down, home, end',
  'enter              show the lock by itself; enter or esc: back',
  's, S               sort by the next column; the other way round',
  '/                  show only names and holders with a text; esc: all',
  'x                  take the lock away from its holder, after a question',
  'p                  pause, so that the rows stand still',
  'q, Ctrl-C          quit',
  '',
  'HELD and OLDEST are how long the lock is held, and how long the first',
  'waiter has waited; LEFT is until the hold ends unless it is renewed; -',
  'is what the store cannot tell. A lock that changes hands more often than',
  'it is looked at counts as one change of holder.',
].map(plain);

function footLine({ dialogue, notice, detail }: TopState): Line {
  if (dialogue?.kind === 'release') {
    const { name, kind, label } = dialogue.row;
    const from = label === null ? 'its holder' : printable(label);
    // The question comes first: the end of a long name is cut off.
    return { text: `Take it away? [y/N]  ${kind} "${printable(name)}" from ${from}, who may be at work`, style: 'red' };
  }
  if (dialogue?.kind === 'filter') return { text: `/${printable(dialogue.text)}`, style: 'bold' };
  if (notice !== null) return { text: printable(notice), style: 'yellow' };
  if (dialogue?.kind === 'help') return { text: 'any key: back', style: 'dim' };
  if (detail !== null) return { text: 'x take away   esc back   Ctrl-C quit', style: 'dim' };
  return { text: 'enter inspect   s sort   / filter   x take away   p pause   ? help   q quit', style: 'dim' };
}

function plain(text: string): Line {
  return { text, style: null };
}

/** In five columns at most, in whole units. */
function time(ms: number | null): string {
  if (ms === null) return '-';
  const text = showDuration(ms);
  return displayWidth(text) <= 5 ? text : text.replace(/\.\d+/, '');
}
