import type { EChartsOption } from 'echarts';
import { readable } from '../report.js';
import type { Result } from '../results.js';
import { draw } from './draw.js';
import { type FigureTable, fullTitle } from './figure-table.js';
import { colours } from './palette.js';

/** A picture of docs/pictures/benchmarks. */
export interface Chart {
  readonly file: string;
  /** What it shows, also the text beside it. */
  readonly title: string;
  /** null where this run has no figure for it. */
  readonly svg: string | null;
}

const width = 760;

/** All pictures of the page. */
export function chartsOf(table: FigureTable): readonly Chart[] {
  const ratio = (figure: Result): number | null => figure.ratioToFloor;
  const value = (figure: Result): number | null => figure.value;
  const bars = (file: string, title: string, scenarios: readonly (readonly [string, string])[], look = value): Chart => ({
    file,
    title,
    svg: barChart(title, table, scenarios, look),
  });
  const lines = (file: string, title: string, scenario: string, axis: string): Chart => ({
    file,
    title,
    svg: lineChart(title, table, scenario, axis),
  });
  return [
    bars(
      'take-and-free.svg',
      'Locks taken and freed, as a part of what bare commands reach: more is better',
      [
        ['uncontended', 'one at a time'],
        ['in-flight-64', '64 in flight'],
      ],
      ratio,
    ),
    bars('cpu.svg', 'CPU time of a lock taken and freed, one at a time, in µs: less is better', [
      ['uncontended/client-cpu', 'client'],
      ['uncontended/server-cpu', 'server'],
    ]),
    bars(
      'distance.svg',
      'Locks taken and freed one at a time with the store a network away, as a part of what bare commands reach: more is better',
      [
        ['uncontended-0.5ms', '0.5 ms of round trip'],
        ['uncontended-5ms', '5 ms of round trip'],
      ],
      ratio,
    ),
    bars('hand-over.svg', 'From a release to the grant in another process, in ms: less is better', [
      ['handover-8-processes', 'on this machine'],
      ['handover-8-processes-0.5ms', '0.5 ms of round trip'],
    ]),
    bars('permits.svg', 'Permits in use of 2, which 12 tasks share: more is better', [['permits-in-use', 'permits in use']]),
    lines(
      'processes.svg',
      'Sections a second on one name, by the number of processes: more is better',
      'one-name-64-processes',
      'processes',
    ),
    lines('names.svg', 'Locks a second with 64 in flight, by the number of names: more is better', 'names-1000000', 'names'),
    lines('clients.svg', 'Locks a second of all clients, by their number: more is better', 'managers-200', 'clients'),
  ];
}

const barColours = {
  ours: [colours.ours, colours.oursLight],
  floor: [colours.floor, colours.grid],
  peer: [colours.peers, colours.peersLight],
} as const;
const rowHeight = 38;

function barChart(
  title: string,
  table: FigureTable,
  scenarios: readonly (readonly [scenario: string, name: string])[],
  look: (figure: Result) => number | null,
): string | null {
  const found = scenarios.map(([scenario]) => table.of(scenario));
  const rows = [...new Map(found.flat().map((figure) => [fullTitle(figure), figure])).keys()];
  if (rows.length === 0) return null;
  const values = found.flat().flatMap((figure) => look(figure) ?? []);
  // Polling peers wait a hundred times as long as a message takes; on a linear axis the others would be invisible.
  const isWide = Math.max(...values) > 50 * Math.min(...values.filter((one) => one > 0));
  const option: EChartsOption = {
    ...around(225, scenarios.length),
    yAxis: { type: 'category', data: rows, inverse: true, axisTick: { show: false }, ...axisStyle },
    xAxis: { type: isWide ? 'log' : 'value', ...axisStyle },
    series: scenarios.map(([, name], index) => ({
      name,
      type: 'bar' as const,
      barGap: '10%',
      color: barColours.ours[index] ?? colours.ours,
      data: rows.map((row) => {
        const figure = found[index]?.find((candidate) => fullTitle(candidate) === row);
        return { value: (figure && look(figure)) ?? '-', itemStyle: { color: barColours[figure?.role ?? 'peer'][index] ?? colours.peers } };
      }),
      label: {
        show: true,
        position: 'right' as const,
        fontSize: 11,
        color: colours.soft,
        textBorderWidth: 0,
        formatter: ({ value }: { value: unknown }) => (typeof value === 'number' ? readable(value) : ''),
      },
    })),
  };
  return draw(title, { width, height: 70 + rows.length * rowHeight }, option);
}

function lineChart(title: string, table: FigureTable, scenario: string, axis: string): string | null {
  const series = table.series(scenario);
  if (series.length === 0) return null;
  const option: EChartsOption = {
    ...around(60, series.length, 48),
    xAxis: { type: 'log', name: axis, nameLocation: 'middle', nameGap: 28, ...axisStyle },
    yAxis: { type: 'log', ...axisStyle },
    series: series.map(({ of, points }, index) => ({
      name: fullTitle(of),
      type: 'line' as const,
      symbol: 'circle',
      symbolSize: 6,
      color: colours.series[index % colours.series.length] ?? colours.ours,
      lineStyle: { width: 2, type: of.role === 'floor' ? ('dashed' as const) : ('solid' as const) },
      data: points.map(([at, value]) => [at, value]),
    })),
  };
  return draw(title, { width, height: 420 }, option);
}

const axisStyle = {
  axisLabel: { color: colours.text, fontSize: 12 },
  nameTextStyle: { color: colours.soft },
  axisLine: { show: true, lineStyle: { color: colours.axis } },
  splitLine: { lineStyle: { color: colours.grid } },
};

function around(left: number, series: number, bottom = 24): Pick<EChartsOption, 'grid' | 'legend'> {
  const legendRows = series > 3 ? Math.ceil(series / 3) : 1;
  return {
    grid: { left, right: 56, top: 16 + legendRows * 22, bottom },
    legend: { top: 0, left: 0, itemGap: 14, textStyle: { color: colours.text, fontSize: 12 } },
  };
}
