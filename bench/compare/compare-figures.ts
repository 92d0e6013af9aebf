/** What is compared of a figure. A row of `--json` has no spread; one of `--results` has. */
export interface ComparedFigure {
  readonly scenario: string;
  readonly library: string;
  readonly backend: string;
  /** null when the result was wrong. */
  readonly value: number | null;
  readonly unit: string;
  readonly higherIsBetter: boolean;
  readonly ratioToFloor: number | null;
  readonly spread?: readonly [lowest: number, highest: number] | null;
  readonly ratioSpread?: readonly [lowest: number, highest: number] | null;
  readonly rounds?: number;
}

/**
 * fell: worse beyond the spread, or wrong now. rose: better beyond the spread, or correct now. steady: within the spread. floor: the bare
 * commands moved, so the machine did. new, gone: in one of the files only. different: another unit or direction than before.
 */
export type ChangeKind = 'fell' | 'rose' | 'steady' | 'floor' | 'new' | 'gone' | 'different';

/** One figure, before and after. */
export interface Change {
  readonly kind: ChangeKind;
  readonly scenario: string;
  readonly library: string;
  readonly backend: string;
  /** What was compared. The ratio to the floor only where the floor itself moved: the machine was not the same. */
  readonly by: 'value' | 'ratio';
  readonly before: number | null;
  readonly after: number | null;
  readonly unit: string;
}

/** How far a figure may move unnoticed, as a part of it: at least this much, however narrow its spread was... */
const leastMargin = 0.05;
/** ...and this much where nothing is known of its spread: one round, or a file of `--json`. */
const blindMargin = 0.1;
const floorLibrary = 'floor';

/** @returns a change for each figure of either run, in the order of the first, then what is new */
export function compareFigures(before: readonly ComparedFigure[], after: readonly ComparedFigure[]): readonly Change[] {
  const [old, now] = [byKey(before), byKey(after)];
  const movedFloors = new Set(
    before.flatMap((figure) => {
      const next = now.get(keyOf(figure));
      return figure.library === floorLibrary && next !== undefined && direction(figure, next, 'value') !== 0 ? [groupOf(figure)] : [];
    }),
  );
  const changes = before.map((figure) => compareOne(figure, now.get(keyOf(figure)), movedFloors.has(groupOf(figure))));
  const added = after.filter((figure) => !old.has(keyOf(figure))).map((figure) => changeOf('new', figure, 'value', null, figure.value));
  return [...changes, ...added];
}

function compareOne(before: ComparedFigure, after: ComparedFigure | undefined, floorMoved: boolean): Change {
  if (after === undefined) return changeOf('gone', before, 'value', before.value, null);
  const { unit, higherIsBetter, library } = before;
  if (unit !== after.unit || higherIsBetter !== after.higherIsBetter) {
    return changeOf('different', after, 'value', before.value, after.value);
  }
  if (before.value === null || after.value === null) {
    const kind = before.value === after.value ? 'steady' : after.value === null ? 'fell' : 'rose';
    return changeOf(kind, before, 'value', before.value, after.value);
  }
  const isFloor = library === floorLibrary;
  const by = floorMoved && !isFloor && before.ratioToFloor !== null && after.ratioToFloor !== null ? 'ratio' : 'value';
  const moved = direction(before, after, by);
  const better = higherIsBetter ? moved > 0 : moved < 0;
  const kind = moved === 0 ? 'steady' : isFloor ? 'floor' : better ? 'rose' : 'fell';
  return changeOf(kind, before, by, figureBy(before, by), figureBy(after, by));
}

/** @returns 1 when it grew beyond both spreads, -1 when it shrank, 0 otherwise */
function direction(before: ComparedFigure, after: ComparedFigure, by: Change['by']): -1 | 0 | 1 {
  const [old, now] = [figureBy(before, by), figureBy(after, by)];
  if (old === null || now === null) return 0;
  const [oldBand, nowBand] = [bandOf(before, by), bandOf(after, by)];
  if (now > oldBand.highest && old < nowBand.lowest) return 1;
  return now < oldBand.lowest && old > nowBand.highest ? -1 : 0;
}

function figureBy({ value, ratioToFloor }: ComparedFigure, by: Change['by']): number | null {
  return by === 'value' ? value : ratioToFloor;
}

/** Where the figure may have been by chance. */
function bandOf(figure: ComparedFigure, by: Change['by']): { readonly lowest: number; readonly highest: number } {
  const middle = figureBy(figure, by) ?? 0;
  const spread = (by === 'value' ? figure.spread : figure.ratioSpread) ?? null;
  const margin = Math.abs(middle) * (spread === null || (figure.rounds ?? 1) < 2 ? blindMargin : leastMargin);
  return { lowest: Math.min(middle - margin, spread?.[0] ?? middle), highest: Math.max(middle + margin, spread?.[1] ?? middle) };
}

function changeOf(kind: ChangeKind, of: ComparedFigure, by: Change['by'], before: number | null, after: number | null): Change {
  const { scenario, library, backend } = of;
  return { kind, scenario, library, backend, by, before, after, unit: by === 'ratio' ? 'of the floor' : of.unit };
}

function byKey(figures: readonly ComparedFigure[]): ReadonlyMap<string, ComparedFigure> {
  return new Map(figures.map((figure) => [keyOf(figure), figure]));
}

function keyOf(figure: ComparedFigure): string {
  return JSON.stringify([figure.scenario, figure.library, figure.backend]);
}

function groupOf({ scenario, backend }: ComparedFigure): string {
  return JSON.stringify([scenario, backend]);
}
