import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { hrtime } from 'node:process';
import { until } from '@holdfast/test/servers';
import { Random } from '@holdfast/test/simulation';
import type { Ground, OpenGround } from './fault.js';
import { Fleet } from './fleet.js';
import { grounds } from './grounds.js';
import type { HistoryEvent } from './history.js';
import { Nemesis, type Pace } from './nemesis.js';
import { judge, type Verdicts } from './verdict.js';

export interface RunOptions {
  readonly seed: number;
  /** Which stores, by their names among `known`; all of them are used and disturbed at a time. */
  readonly backends: readonly string[];
  readonly processes: number;
  /** How many calls each process has under way on each store. */
  readonly callers: number;
  /** How many grants the run has at least. */
  readonly grants: number;
  /** How often each fault happens at least. */
  readonly rounds: number;
  /** How many different faults of each store; Infinity: all. */
  readonly most: number;
  /** How long the run disturbs at least, in milliseconds. */
  readonly lastsMs: number;
  /** Where the whole history is written to, a line of JSON an event. @default a temporary file, and only when something is wrong */
  readonly history?: string | undefined;
  /** By when the grants that a run waits for have come, in milliseconds. @default 300,000, also enough for a machine that does other work */
  readonly grantsLimitMs?: number;
  /** Gets a line for each fault. */
  readonly log?: (line: string) => void;
}

export interface RunReport extends Verdicts {
  readonly seed: number;
  /** All that happened, in order. */
  readonly events: readonly HistoryEvent[];
  /** Where the history was written to; null: nowhere, which is a violation when it was to be. */
  readonly keptIn: string | null;
}

/** By when processes have ended that were asked to finish, in milliseconds: their last waits are shorter. */
const FINISH_LIMIT_MS = 120_000;
const GRANTS_LIMIT_MS = 300_000;

/**
 * Starts the stores, lets processes use them while both are disturbed, and judges what happened.
 *
 * @param known the stores that there are, by their names
 * @throws Error when a store cannot be started; those that were are stopped
 */
export async function runFaults(options: RunOptions, known: Readonly<Record<string, OpenGround>> = grounds): Promise<RunReport> {
  const opened = await openAll(options.backends, known);
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-faults-'));
  const limitMs = options.grantsLimitMs ?? GRANTS_LIMIT_MS;
  const startNs = hrtime.bigint();
  const random = new Random(options.seed);
  const targets = opened.map(({ name, ground }) => ({ target: name, store: ground.store }));
  const fleet = new Fleet({ ...options, directory, startNs, targets, random });
  const nemesis = new Nemesis(fleet, startNs, random, options.log ?? (() => {}));
  const pace: Pace = { rounds: options.rounds, until: options.lastsMs * 1e6, most: options.most };
  const wrong: string[] = [];
  try {
    await granted('every store has granted', fleet, limitMs, () => opened.every(({ name }) => fleet.grants(name) > 0));
    await Promise.all([nemesis.disturbProcesses(pace), ...opened.map(({ name, ground }) => nemesis.disturb(name, ground, pace))]);
    await granted(`${options.grants} grants`, fleet, limitMs, () => fleet.grants() >= options.grants);
    wrong.push(...(await fleet.finish(FINISH_LIMIT_MS)));
  } catch (error) {
    wrong.push(error instanceof Error ? error.message : String(error));
  } finally {
    await fleet.close();
    await Promise.all(opened.map(({ ground }) => ground.close()));
  }
  const events = [...(await fleet.history()), ...nemesis.events].sort((a, b) => a.at - b.at);
  const verdicts = judge(events);
  const violations = [...wrong, ...nemesis.complaints, ...verdicts.violations];
  let keptIn = options.history ?? (violations.length > 0 ? join(tmpdir(), `holdfast-faults-${options.seed}.jsonl`) : null);
  try {
    if (keptIn !== null) await writeFile(keptIn, events.map((event) => `${JSON.stringify(event)}\n`).join(''));
  } catch (error) {
    // What the run has found is reported nevertheless.
    violations.push(`the history was not written: ${error instanceof Error ? error.message : String(error)}`);
    keptIn = null;
  }
  await rm(directory, { recursive: true });
  return { ...verdicts, violations, seed: options.seed, events, keptIn };
}

async function granted(what: string, fleet: Fleet, timeoutMs: number, condition: () => boolean): Promise<void> {
  await until(what, () => fleet.hasFailed || condition(), { timeoutMs, everyMs: 50 });
  fleet.check();
}

interface Opened {
  readonly name: string;
  readonly ground: Ground;
}

async function openAll(names: readonly string[], known: Readonly<Record<string, OpenGround>>): Promise<Opened[]> {
  const outcomes = await Promise.allSettled(
    names.map(async (name): Promise<Opened> => {
      const open = known[name];
      if (open === undefined) throw new Error(`no store is called ${name}`);
      return { name, ground: await open() };
    }),
  );
  const opened = outcomes.flatMap((outcome) => (outcome.status === 'fulfilled' ? [outcome.value] : []));
  const failure = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failure === undefined) return opened;
  await Promise.all(opened.map(({ ground }) => ground.close()));
  throw failure.reason;
}
