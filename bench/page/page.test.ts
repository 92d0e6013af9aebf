import { describe, expect, it } from 'vitest';
import type { Result, Results } from '../results.js';
import { textOf } from '../results.js';
import { benchmarksPage } from './benchmarks-page.js';
import { capacities } from './capacity.js';
import { chartsOf } from './charts.js';
import { FigureTable } from './figure-table.js';
import { behindPeers } from './not-ahead.js';
import { scalePage } from './scale-page.js';

const figure = (changes: Partial<Result>): Result => ({
  scenario: 'uncontended',
  library: 'holdfast',
  backend: 'redis',
  value: 800,
  unit: 'ops/s',
  higherIsBetter: true,
  ratioToFloor: 0.8,
  title: 'holdfast',
  role: 'ours',
  metric: 'rate',
  rounds: 3,
  spread: [700, 900],
  ratioSpread: [0.7, 0.9],
  ...changes,
});
const peer = (changes: Partial<Result>): Result => figure({ library: 'other', title: 'other 1.0', role: 'peer', ...changes });
const run = (...figures: readonly Result[]): FigureTable => {
  const results: Results = {
    startedAt: '2026-11-28T00:00:00.000Z',
    minutes: 1,
    quick: false,
    machine: { processors: 2, model: 'a processor', memoryGiB: 8, system: 'Linux x64', node: 'v20' },
    stores: [{ backend: 'redis', title: 'Redis 7', load: 0.1 }],
    scenarios: { uncontended: 'take and free', 'names-1000000': 'names' },
    figures,
    targets: [
      { scenario: 'uncontended', library: 'holdfast', backend: 'redis', text: '>= 0.85 of the floor', measured: 0.8, verdict: 'missed' },
    ],
  };
  return new FigureTable(JSON.parse(textOf(results)) as Results);
};

describe('where we are not ahead', () => {
  it('names the best peer that is better than the best of ours, whatever the direction', () => {
    const rate = [
      figure({}),
      figure({ library: 'holdfast-fair', value: 900 }),
      peer({ value: 1_000 }),
      peer({ library: 'best', value: 1_800 }),
    ];
    expect(behindPeers(run(...rate))).toMatchObject([{ peer: { library: 'best' }, ours: { library: 'holdfast-fair' }, times: 2 }]);
    const time = rate.map((one) => ({ ...one, higherIsBetter: false }));
    expect(behindPeers(run(...time))).toEqual([]);
  });

  it('counts no wrong result, none of another store, and none that is within what two runs differ by', () => {
    const others = [peer({ value: null }), peer({ backend: 'postgres', value: 9_000 }), peer({ value: 810 })];
    expect(behindPeers(run(figure({}), ...others))).toEqual([]);
  });

  it('is on the page, with the targets that were missed', () => {
    const table = run(figure({}), peer({ value: 1_600 }));
    const page = benchmarksPage(table, chartsOf(table));
    expect(page).toContain('| `uncontended`, Redis | other 1.0: 1,600 ops/s | holdfast: 800 ops/s | 2 times |');
    expect(page).toContain('| `uncontended`, Redis | holdfast | &gt;= 0.85 of the floor | 0.8 |');
  });
});

describe('runs of the same', () => {
  it('stand beside each other, with what the shorter ones have not measured left out and what was wrong named', () => {
    const first = run(figure({}), figure({ scenario: 'try-each-1000', value: 9 }), peer({}));
    const again = [run(figure({ value: 700, ratioToFloor: 0.7 }), peer({})), run(figure({ value: null, ratioToFloor: null }))];
    const page = benchmarksPage(first, [], [], again);
    const rows = page.slice(page.indexOf('## The same again'), page.indexOf('## The machine'));
    expect(rows).toContain('| `uncontended` | Redis: holdfast | 800 ops/s (0.80) | 700 ops/s (0.70) | wrong |');
    expect(rows).not.toMatch(/try-each-1000|other/);
    expect(benchmarksPage(first, [])).not.toContain('The same again');
  });
});

describe('a picture', () => {
  const series = [1, 10].map((at) => figure({ scenario: `names-1000000/${at}`, at, value: at * 100 }));
  const pictures = (): readonly string[] => chartsOf(run(figure({}), peer({}), ...series)).flatMap(({ svg }) => svg ?? []);

  it('is drawn of what was measured only, the same each time, for light and for dark', () => {
    expect(pictures()).toHaveLength(2);
    expect(pictures()).toEqual(pictures());
    for (const svg of pictures()) {
      expect(svg).toMatch(/^<svg role="img"[^>]*>\n<title id="title">[^<]+<\/title>/);
      expect(svg).toContain('prefers-color-scheme: dark');
      expect(svg).not.toMatch(/NaN|undefined|<script/);
    }
  });
});

describe('the page on scale', () => {
  const cpu = (backend: string, value: number): Result =>
    figure({ scenario: 'in-flight-64/server-cpu', backend, value, unit: 'µs', higherIsBetter: false });

  it('takes what a store carries from its CPU time for a lock, of each node where there are several', () => {
    const [redis, redlock, postgres] = capacities(run(cpu('redis', 10), cpu('redlock', 60)));
    expect(redis).toMatchObject({ most: 100_000, planned: 60_000 });
    expect(redlock).toMatchObject({ together: 20, most: 50_000, planned: 30_000 });
    expect(postgres).toMatchObject({ most: null, planned: null });
  });

  it('says so where there are no figures, and has no number that is none', () => {
    expect(scalePage(run(cpu('redis', 10)))).toContain('3 masters, 180,000 locks/s to plan with');
    expect(scalePage(run())).not.toMatch(/NaN|Infinity|null|undefined/);
  });
});
