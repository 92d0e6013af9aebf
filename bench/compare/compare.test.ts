import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type ComparedFigure, compareFigures } from './compare-figures.js';
import { readFigures } from './read-figures.js';

const figure = (changes: Partial<ComparedFigure> = {}): ComparedFigure => ({
  scenario: 'uncontended',
  library: 'holdfast',
  backend: 'redis',
  value: 1_000,
  unit: 'ops/s',
  higherIsBetter: true,
  ratioToFloor: 0.8,
  spread: [950, 1_050],
  ratioSpread: [0.75, 0.85],
  rounds: 11,
  ...changes,
});
const floor = (value: number): ComparedFigure =>
  figure({ library: 'floor', value, spread: [value * 0.95, value * 1.05], ratioToFloor: 1, ratioSpread: [1, 1] });
const kinds = (before: readonly ComparedFigure[], after: readonly ComparedFigure[]): readonly string[] =>
  compareFigures(before, after).map(({ kind }) => kind);

describe('a figure', () => {
  it.each([
    ['within the spread of the run before', {}, { value: 960, spread: [955, 965] }],
    ['in whose spread the one before lies', {}, { value: 900, spread: [800, 1_010] }],
    ['within 5 %, however narrow both spreads are', { spread: [1_000, 1_000] }, { value: 1_048, spread: [1_048, 1_048] }],
  ] as const)('%s is steady', (_title, before, after) => {
    expect(kinds([figure(before)], [figure(after)])).toEqual(['steady']);
  });

  it.each([
    [true, 800, 'fell'],
    [true, 1_200, 'rose'],
    [false, 800, 'rose'],
    [false, 1_200, 'fell'],
  ] as const)('where more is better is %s, and that went from 1,000 to %d, %s', (higherIsBetter, value, kind) => {
    const after = figure({ higherIsBetter, value, spread: [value - 10, value + 10] });
    expect(kinds([figure({ higherIsBetter })], [after])).toEqual([kind]);
  });

  it('of one round may move by 10 %', () => {
    const once = (value: number): ComparedFigure => figure({ value, spread: [value, value], rounds: 1 });
    expect(kinds([once(1_000)], [once(1_090)])).toEqual(['steady']);
    expect(kinds([once(1_000)], [once(1_150)])).toEqual(['rose']);
  });

  it('that was nothing and is something has moved', () => {
    const inversions = (value: number): ComparedFigure =>
      figure({ value, higherIsBetter: false, spread: [value, value], ratioToFloor: null });
    expect(kinds([inversions(0)], [inversions(3)])).toEqual(['fell']);
    expect(kinds([inversions(0)], [inversions(0)])).toEqual(['steady']);
  });

  it('that is wrong now fell, and one that is correct once more rose', () => {
    const wrong = figure({ value: null, ratioToFloor: null, spread: null, ratioSpread: null });
    expect(kinds([figure()], [wrong])).toEqual(['fell']);
    expect(kinds([wrong], [figure()])).toEqual(['rose']);
    expect(kinds([wrong], [wrong])).toEqual(['steady']);
  });

  it('of one file only is new or gone, and one of another unit is not compared', () => {
    expect(kinds([figure()], [figure({ library: 'other' })])).toEqual(['gone', 'new']);
    expect(kinds([figure()], [figure({ unit: 'ms' })])).toEqual(['different']);
  });
});

describe('where the floor moved', () => {
  it('figures are compared by their ratio to it', () => {
    const before = [floor(1_250), figure()];
    const slower = figure({ value: 500, spread: [480, 520] });
    expect(kinds(before, [floor(625), slower])).toEqual(['floor', 'steady']);
    const worse = figure({ value: 300, spread: [290, 310], ratioToFloor: 0.48, ratioSpread: [0.46, 0.5] });
    expect(compareFigures(before, [floor(625), worse])[1]).toMatchObject({ kind: 'fell', by: 'ratio', before: 0.8, after: 0.48 });
  });

  it('a floor of another store says nothing', () => {
    const elsewhere = (value: number): ComparedFigure => ({ ...floor(value), backend: 'postgres' });
    const slower = figure({ value: 500, spread: [480, 520] });
    expect(kinds([elsewhere(1_250), figure()], [elsewhere(625), slower])).toEqual(['floor', 'fell']);
  });
});

describe('the comparison as a command', () => {
  const run = promisify(execFile);
  const main = fileURLToPath(new URL('../dist/compare/main.js', import.meta.url));
  let directory = '';
  const fileOf = async (name: string, content: unknown): Promise<string> => {
    const file = join(directory, name);
    await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content));
    return file;
  };
  const compare = (...files: readonly string[]): Promise<{ stdout: string }> => run(process.execPath, [main, ...files]);
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holdfast-compare-'));
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  it('ends with 1 and names what fell; with 0 when nothing did', async () => {
    const { spread: _spread, ratioSpread: _ratioSpread, rounds: _rounds, ...row } = figure();
    const before = await fileOf('before.json', [row]);
    const after = await fileOf('after.json', { figures: [figure({ value: 500, spread: [490, 510] })] });
    const failure: unknown = await compare(before, after).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: 1 });
    expect(String((failure as { stdout: unknown }).stdout)).toContain('uncontended, redis, holdfast');
    const { stdout } = await compare(after, before);
    expect(stdout).toContain('+100 %');
  });

  it('ends with 2 for anything that it cannot compare', async () => {
    const good = await fileOf('good.json', [figure()]);
    const bad = [
      await fileOf('text.json', 'no JSON'),
      await fileOf('object.json', { rows: [] }),
      await fileOf('value.json', [figure({ value: 'fast' as unknown as number })]),
      await fileOf('spread.json', [{ ...figure(), spread: [1] }]),
      join(directory, 'missing.json'),
    ];
    for (const file of bad) await expect(readFigures(file)).rejects.toThrow(file);
    await expect(compare(good, bad[0] ?? '')).rejects.toMatchObject({ code: 2 });
    await expect(compare(good)).rejects.toMatchObject({ code: 2 });
  });
});
