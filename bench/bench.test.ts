import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { parseBenchOptions } from './bench-options.js';
import { Figures } from './figures.js';
import { libraries } from './libraries/index.js';
import { type Library, scenarioIds } from './library.js';
import { type Row, rowsOf, tableOf, targetsOf } from './report.js';
import { runScenario } from './run-scenario.js';
import type { Scenario } from './scenario.js';
import { scenarios } from './scenarios/index.js';
import { permitsInUse } from './scenarios/permits-in-use.js';
import { metricsAt, roundsOver } from './scenarios/series.js';
import { uncontended } from './scenarios/uncontended.js';
import { inversions, median, spread } from './stats.js';
import type { Store } from './store.js';
import { startStore } from './stores/index.js';

const run = promisify(execFile);
const main = fileURLToPath(new URL('./dist/main.js', import.meta.url));
const rowKeys = ['scenario', 'library', 'backend', 'value', 'unit', 'higherIsBetter', 'ratioToFloor'];

const bareLibrary = (id: string, role: Library['role']): Library => ({
  id,
  title: id,
  role,
  backend: 'redis',
  scenarios: ['uncontended'],
  open: () => Promise.reject(new Error('not opened here')),
});
const bareStore: Store = {
  backend: 'redis',
  address: '',
  title: 'no store',
  pids: [],
  register: { read: async () => 0, write: async () => undefined, ticket: async () => 1, close: async () => undefined },
  observer: null,
  close: async () => undefined,
};

describe('the benchmark as a command', () => {
  let directory = '';
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'holdfast-bench-'));
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  it('writes a row for each library of a scenario', async () => {
    const file = join(directory, 'rows.json');
    const { stdout } = await run(process.execPath, [main, '--quick', '--only', 'uncontended', '--json', file]);
    const rows = JSON.parse(await readFile(file, 'utf8')) as Row[];
    const entered = libraries.filter((library) => library.backend === 'redis' && library.scenarios.includes('uncontended'));
    for (const [scenario, unit, higherIsBetter] of [
      ['uncontended', 'ops/s', true],
      ['uncontended/client-cpu', 'µs', false],
    ] as const) {
      const found = rows.filter((row) => row.scenario === scenario);
      expect(found.map(({ library }) => library).toSorted()).toEqual(entered.map(({ id }) => id).toSorted());
      for (const row of found) expect(row).toMatchObject({ unit, higherIsBetter });
    }
    for (const row of rows) {
      expect(Object.keys(row)).toEqual(rowKeys);
      expect(row.value).toBeGreaterThan(0);
      expect(row.ratioToFloor).toBeGreaterThan(0);
    }
    for (const { title } of entered) expect(stdout).toContain(title);
  });

  it('explains its options, and refuses a wrong one', async () => {
    const { stdout } = await run(process.execPath, [main, '--help']);
    for (const word of ['--backend', '--only', '--rounds', '--quick', '--json', ...scenarioIds]) expect(stdout).toContain(word);
    await expect(run(process.execPath, [main, '--only', 'everything'])).rejects.toMatchObject({ code: 2 });
  });
});

describe('a wrong result', () => {
  let store: Store;
  beforeAll(async () => {
    store = await startStore('redis');
  });
  afterAll(() => store.close());

  const lockless: Library = {
    id: 'lockless',
    title: 'a lock that locks nothing',
    backend: 'redis',
    role: 'ours',
    scenarios: ['uncontended'],
    open: async () => ({ acquire: async () => ({ release: async () => true }), close: async () => undefined }),
  };

  it('is reported however fast it is, and gives no figure', async () => {
    const figures = await runScenario(uncontended, [lockless], store, { quick: true, rounds: 1 });
    expect(figures.faultsOf(lockless)).toHaveLength(1);
    expect(tableOf(figures)).toContain('WRONG');
    const rows = rowsOf(figures);
    expect(rows.map(({ scenario }) => scenario)).toContain('uncontended');
    for (const row of rows) expect(row).toMatchObject({ library: 'lockless', value: null, ratioToFloor: null });
  });

  it('of a semaphore without a limit is reported too', async () => {
    const limitless: Library = {
      ...lockless,
      scenarios: ['permits-in-use'],
      open: async () => ({ ...(await lockless.open('')), acquirePermit: async () => ({ release: async () => true }) }),
    };
    const figures = await runScenario(permitsInUse, [limitless], store, { quick: true, rounds: 1 });
    expect(figures.faultsOf(limitless)).toHaveLength(1);
    for (const { value } of rowsOf(figures)) expect(value).toBeNull();
  });

  it('of one library leaves the others their figures', async () => {
    const failing: Library = { ...lockless, id: 'failing', open: async () => Promise.reject(new Error('no such server')) };
    const floor = libraries.filter(({ id }) => id === 'floor');
    const figures = await runScenario(uncontended, [failing, ...floor], store, { quick: true, rounds: 1 });
    expect(figures.faultsOf(failing)).toEqual(['warming up failed: no such server']);
    expect(rowsOf(figures).find(({ library }) => library === 'floor')?.value).toBeGreaterThan(0);
  });
});

describe('figures', () => {
  const [floor, ours, peer] = [bareLibrary('floor', 'floor'), bareLibrary('ours', 'ours'), bareLibrary('peer', 'peer')];
  const scenario: Scenario = {
    ...uncontended,
    targets: [{ text: 'half of it', measure: (of, who) => of.of(who, 'rate')?.ratioToFloor ?? null, isMet: (ratio) => ratio >= 0.5 }],
  };

  it('take the ratio to the floor round by round, then the median', () => {
    const figures = new Figures(scenario, [floor, ours]);
    for (const [base, own] of [
      [100, 50],
      [10, 6],
      [1_000, 900],
    ] as const) {
      figures.add(floor, { values: { rate: base }, faults: [] });
      figures.add(ours, { values: { rate: own }, faults: [] });
    }
    expect(figures.of(ours, 'rate')).toMatchObject({ value: 50, ratioToFloor: 0.6, spread: { lowest: 6, highest: 900 } });
    expect(targetsOf(figures, ours)).toEqual(['target  ours: half of it: met (0.6)']);
  });

  it('do not count a wrong peer as the best one', () => {
    const figures = new Figures(scenario, [ours, peer]);
    figures.add(peer, { values: { rate: 1_000_000 }, faults: ['two holders at once'] });
    expect(figures.bestPeer('rate')).toBeNull();
  });

  it('know the middle, both ends and the order', () => {
    expect(median([3, 1, 2])).toBe(2);
    expect(median([4, 1, 2, 3])).toBe(2.5);
    expect(spread([3, 1, 2])).toEqual({ lowest: 1, median: 2, highest: 3 });
    expect(inversions([1, 2, 3, 4])).toBe(0);
    expect(inversions([4, 3, 2, 1])).toBe(6);
  });
});

describe('a series', () => {
  it('has a row for each point, and measures one point a round', async () => {
    const measured: number[] = [];
    const series: Scenario = {
      ...uncontended,
      id: 'managers-200',
      metrics: metricsAt([1, 10], 'clients'),
      targets: [],
      enter: async () => ({
        round: roundsOver([1, 10], async (at) => {
          measured.push(at);
          return { rate: at * 100 };
        }),
        close: async () => undefined,
      }),
    };
    const library: Library = { ...bareLibrary('ours', 'ours'), scenarios: ['managers-200'] };
    const figures = await runScenario(series, [library], bareStore, { quick: true, rounds: 2 });
    expect(measured).toEqual([1, 10]);
    expect(rowsOf(figures)).toMatchObject([
      { scenario: 'managers-200/1', value: 100 },
      { scenario: 'managers-200/10', value: 1_000 },
    ]);
  });
});

describe('options', () => {
  it('are all optional', () => {
    expect(parseBenchOptions([])).toEqual({
      backend: ['redis'],
      only: [],
      library: [],
      rounds: undefined,
      quick: false,
      json: undefined,
      results: undefined,
    });
  });

  it('name what is wrong', () => {
    expect(parseBenchOptions(['--rounds', '0'])).toContain('--rounds');
    expect(parseBenchOptions(['--only', 'nothing'])).toContain('uncontended');
    expect(parseBenchOptions(['--library', 'nothing'])).toContain('redlock');
    expect(parseBenchOptions(['--fast'])).toContain('--fast');
  });

  it('can name every scenario', () => {
    expect(scenarios.map(({ id }) => id)).toEqual(scenarioIds);
  });
});
