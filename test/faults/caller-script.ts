import { setTimeout as sleep } from 'node:timers/promises';
import type { LockManager } from '@holdfast/core';
import { Random } from '@holdfast/test/simulation';
import { type Surroundings, takeLast, takeTurn } from './caller.js';
import type { CallerSettings, Order, Report } from './messages.js';
import { type Ways, waysOf } from './objects.js';
import { openManager, SetClock } from './open-manager.js';
import { Recorder } from './recorder.js';

// One process of a run: callers on every target, until it is asked to finish.

/** How long the last turn on each object may wait: a store that has been healed grants long before. */
const LAST_WAIT_MS = 45_000;
const REPORT_EVERY_MS = 100;

const clock = new SetClock();
const answers = new Map<number, (answer: { readonly accepted: boolean; readonly value: number }) => void>();
const unexpected: string[] = [];
const counts: Record<string, number> = {};
let abortAll = new AbortController();
let isFinishing = false;
let asked = 0;

interface Place {
  readonly target: string;
  readonly open: () => LockManager<bigint>;
  manager: LockManager<bigint>;
  ways: Ways;
}

let places: Place[] = [];

function say(report: Report): void {
  process.send?.(report);
}

async function run(settings: CallerSettings): Promise<void> {
  const random = new Random(settings.seed);
  const recorder = new Recorder(settings.file, settings.process, BigInt(settings.startNs));
  places = settings.targets.map(({ target, store }) => {
    const open = (): LockManager<bigint> => openManager(store, clock);
    const manager = open();
    return { target, open, manager, ways: waysOf(target, manager) };
  });
  const around = (place: Place): Surroundings => ({
    process: settings.process,
    recorder,
    random,
    abort: () => abortAll.signal,
    ask: (object, token, write) =>
      new Promise((resolve) => {
        asked += 1;
        answers.set(asked, resolve);
        say({ report: 'ask', ask: asked, object, token: `${token}`, write });
      }),
    granted: () => {
      counts[place.target] = (counts[place.target] ?? 0) + 1;
    },
    unexpected: (what) => unexpected.push(what),
  });
  const reporting = setInterval(() => say({ report: 'grants', counts }), REPORT_EVERY_MS);
  await Promise.all(
    places.flatMap((place) => Array.from({ length: settings.callers }, (_, index) => callUntilFinished(place, index === 0, around(place)))),
  );
  await Promise.all(places.map((place) => takeEachOnceMore(place, around(place))));
  await Promise.all(places.map(({ manager }) => manager.close()));
  clearInterval(reporting);
  say({ report: 'grants', counts });
  say({ report: 'finished', unexpected });
  process.disconnect();
}

async function callUntilFinished(place: Place, isLong: boolean, around: Surroundings): Promise<void> {
  while (!isFinishing) {
    await takeTurn(isLong ? place.ways.long : around.random.pick(place.ways.short), isLong, around);
    // So that a store whose answers are all refusals at once does not keep the process from everything else.
    await sleep(0);
  }
}

async function takeEachOnceMore(place: Place, around: Surroundings): Promise<void> {
  for (const way of [...place.ways.short, place.ways.long]) {
    if (!(await takeLast(way, around, LAST_WAIT_MS)))
      unexpected.push(`${way.parts.map(({ object, mode }) => `${object} (${mode})`).join()} was not to be had when all faults were over`);
  }
}

async function reopen(): Promise<void> {
  await Promise.all(
    places.map(async (place) => {
      const old = place.manager;
      place.manager = place.open();
      place.ways = waysOf(place.target, place.manager);
      await old.close();
    }),
  );
}

process.on('message', (order: Order) => {
  switch (order.order) {
    case 'start':
      void run(order.settings);
      break;
    case 'set-clock':
      clock.offsetMs = order.offsetMs;
      break;
    case 'abort':
      abortAll.abort(new Error('the caller gave up'));
      abortAll = new AbortController();
      break;
    case 'reopen':
      void reopen();
      break;
    case 'finish':
      isFinishing = true;
      break;
    case 'answer':
      answers.get(order.ask)?.({ accepted: order.accepted, value: order.value });
      answers.delete(order.ask);
      break;
    default:
      order satisfies never;
  }
});
// The run has ended, however: nobody reads what this process does.
process.once('disconnect', () => process.exit(0));
