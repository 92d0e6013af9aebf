import { type Capacity, capacities, keepingCost, plannedShare } from './capacity.js';
import { type FigureTable, fullTitle } from './figure-table.js';
import { about, machineTable, shown, tableOf, warningOf, written } from './markdown.js';

const masters = [3, 6, 12] as const;
/** On one name: an example that fits in the head. */
const exampleWaiters = 1_000;

/** docs/scale.md */
export function scalePage(table: FigureTable): string {
  const warning = warningOf(table.results);
  const redis = capacities(table).find(({ store }) => store.startsWith('Redis'));
  return `${[
    '# Scale beyond one machine',
    `How many locks and waiters one store carries, and when to take another store. The figures are those of [the benchmark](benchmarks.md); what follows from them is arithmetic
that you can repeat with figures of your own machines: \`npx -y pnpm@10 bench\` measures them.`,
    ...(warning === null ? [] : [warning]),
    '## Locks a second',
    `A store is full when its CPU is. So the most that it carries is one second, divided by the CPU time of the server for a lock that is taken and freed. Plan with ${plannedShare * 100} % of that:
above, requests wait for each other, and a fail-over has no reserve.`,
    capacityTable(capacities(table)),
    `"64 in flight" is the figure to plan with: on a busy server, requests of one process travel together, and share the work of a command.
The last column is what one client process reached in this run, where client and server shared the machine: below the column before it, the client is the limit, and more
client processes bring more locks.`,
    '- **Redis.** One node carries out its commands on one core. More cores do not help; more nodes do.',
    `- **A Cluster of n masters** carries n times as much, because names are spread over its slots: ${clusterText(redis)}. One name stays on one master, whatever n is.`,
    '- **Redlock.** Each node takes part in each lock. So all nodes together carry what one node carries, however many there are: more nodes are for safety, not for speed. For more locks take several sets of nodes, and choose the set by the name.',
    '- **PostgreSQL.** Each connection is a process of the server. `advisory` keeps the locks of a manager in one session, so one manager uses one core of the server at most, and several managers use several cores. With `table` each lock writes rows, and the disk counts too: this run did not flush (`fsync=off`).',
    '- **ZooKeeper.** All writes go through the leader, and each waits for a majority. More members carry more clients and watches, not more locks. This run had one server; an ensemble adds a round trip to a follower and a flush of two disks to each write.',
    '## One name',
    `A name is used by one holder at a time, so its rate is one second, divided by the time of a section and a hand-over. No store and no number of nodes makes one name faster. What
the processes of this run got through on one name, with sections of two commands:`,
    oneNameTable(table),
    `A waiter waits for all who are in front: ${exampleWaiters.toLocaleString('en-US')} waiters on one name, divided by the rate, is what the last one waits in seconds. Where that is too long, the remedy
is a finer name (\`order:4711\` instead of \`orders\`), several permits, or fewer sections: not another store.`,
    '## Leases and waiters',
    keepingText(table),
    `Without \`fair: true\` a waiting process costs what one waiter costs: only the first waiter of each name in each process stands in the queue on the server, and all wait on one connection.
So count processes and names, not waiters.
On PostgreSQL all waiters of a manager share its listening session. On ZooKeeper each waiter is a node with a watch, which costs the ensemble memory and two writes.`,
    '## Names',
    'The number of names matters little on any store, as long as what they leave behind fits into memory; see the picture in [the benchmarks](benchmarks.md#more-processes-more-names-more-clients).',
    namesTable(table),
    '## What to watch',
    tableOf(
      ['watch', 'act when', 'by'],
      [
        [
          'CPU of the store: one core of Redis, the leader of ZooKeeper',
          `it stays above ${plannedShare * 100} %`,
          'the next line of the table below',
        ],
        [
          '`lock.store.duration`: how long the store takes',
          'its 95th percentile doubles, while the network is as before',
          'the same: the store is full',
        ],
        [
          '`lock.renewal.margin`: what was left of the deadline',
          'the lowest twentieth is under 0.3',
          'a longer `ttlMs`, or a less busy process or store',
        ],
        ['`lock.waiting.oldest`', 'it grows beyond what a user waits', 'finer names, more permits, or shorter sections'],
        ['connections of the store', 'they come near its limit', 'fewer managers a process: one is enough'],
        ['lag of the event loop of the clients', 'it is above a tenth of `ttlMs`', 'a worker thread for the work that blocks'],
      ],
    ),
    'The metrics are those of [@holdfast/otel](monitoring.md).',
    '## When to move to which store',
    tableOf(
      ['today', 'move when', 'to'],
      [
        ['memory', 'there is a second process', 'the store that you run already'],
        ['PostgreSQL, `table`', 'locks take more of the database than you can spare', 'PostgreSQL, `advisory`, or Redis'],
        ['PostgreSQL, `advisory`', 'sessions or CPU of the database run short', 'Redis'],
        [
          'Redis, one node',
          `locks take more than ${about(redis?.planned ?? null) || 'the planned number'} a second by the table above`,
          'a Cluster, which needs no change of names',
        ],
        ['Redis, Cluster', 'a lock that is lost at a fail-over does harm that a fencing token cannot prevent', 'Redlock, or ZooKeeper'],
        ['Redlock', 'one set of nodes is full', 'several sets, chosen by the name'],
        ['ZooKeeper', 'the leader is full', 'Redis with fencing tokens, or several ensembles, chosen by the name'],
      ],
    ),
    'A fleet moves [without downtime](migrating.md), and [what each store guarantees](choosing.md) comes before how fast it is.',
    '## Where the figures come from',
    machineTable(table.results),
    written,
  ].join('\n\n')}\n`.replace(/(^- .*)\n\n(?=- )/gm, '$1\n');
}

function capacityTable(all: readonly Capacity[]): string {
  return tableOf(
    [
      'store',
      'full when',
      'CPU of it for a lock, one at a time (µs)',
      '64 in flight (µs)',
      'locks/s at most',
      `plan with (${plannedShare * 100} %)`,
      'one client here',
    ],
    all.map(({ store, unit, alone, together, most, planned, oneClient }) => [
      store,
      unit,
      shown(alone),
      shown(together),
      about(most),
      about(planned),
      shown(oneClient),
    ]),
  );
}

function clusterText(redis: Capacity | undefined): string {
  const planned = redis?.planned ?? null;
  if (planned === null) return 'this run has no figure for a node';
  return masters.map((count) => `${count} masters, ${about(planned * count)} locks/s to plan with`).join('; ');
}

function oneNameTable(table: FigureTable): string {
  const series = table.series('one-name-64-processes').filter(({ of }) => of.role === 'ours');
  if (series.length === 0) return 'This run has no figures for it.';
  const points = [...new Set(series.flatMap((one) => one.points.map(([at]) => at)))].toSorted((a, b) => a - b);
  const most = points.at(-1);
  return tableOf(
    [
      'sections/s with so many processes',
      ...points.map(String),
      `${exampleWaiters.toLocaleString('en-US')} waiters: the last one waits (s)`,
    ],
    series.map(({ of, points: own }) => {
      const rates = new Map(own);
      const last = most === undefined ? undefined : rates.get(most);
      return [fullTitle(of), ...points.map((at) => shown(rates.get(at) ?? null)), about(last === undefined ? null : exampleWaiters / last)];
    }),
  );
}

function keepingText(table: FigureTable): string {
  const { renewal, leases, idleCommands, processes } = keepingCost(table);
  if (renewal === null || idleCommands === null) return 'This run has no figures for it.';
  return tableOf(
    ['on a Redis node', 'measured', 'so a tenth of the node is enough for'],
    [
      ['a renewal, in batches', `${shown(renewal)} µs of its CPU`, `${about(leases)} leases of 30 s, renewed every 10 s`],
      [
        'a process in which callers wait',
        `${shown(idleCommands)} commands/s, however many wait`,
        `${about(processes)} such processes and names`,
      ],
    ],
  );
}

function namesTable(table: FigureTable): string {
  const series = table.series('names-1000000').filter(({ of }) => of.role === 'ours');
  if (series.length === 0) return 'This run has no figures for it.';
  const points = [...new Set(series.flatMap((one) => one.points.map(([at]) => at)))].toSorted((a, b) => a - b);
  return tableOf(
    ['locks/s with so many names', ...points.map((at) => at.toLocaleString('en-US'))],
    series.map(({ of, points: own }) => [fullTitle(of), ...points.map((at) => shown(new Map(own).get(at) ?? null))]),
  );
}
