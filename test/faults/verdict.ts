import { type HistoryEvent, textOfEvent } from './history.js';
import { holdsOf, type ObservedHold, operationsOf } from './holds.js';
import { linearize } from './linearize.js';
import { mutexModel, readWriteModel, semaphoreModel } from './lock-models.js';
import type { Model, Operation } from './model.js';
import { registerModel } from './register-model.js';
import { updatesOf } from './updates.js';

/** When a store may have forgotten what it had granted, as its documentation says: of these objects, between these moments. */
interface Forgetting {
  /** What the objects' names begin with. */
  readonly objects: string;
  readonly from: number;
  readonly to: number;
}

export interface Verdicts {
  /** What no documented limit excuses; a text each. */
  readonly violations: readonly string[];
  /** Holds that were granted while another that excludes them was certainly believed in, by documented limits alone. */
  readonly breaches: readonly ObservedHold[];
  readonly holds: readonly ObservedHold[];
}

/** How an object is called: the target, what it is, its name; a semaphore's name ends with its limit. */
export type ObjectKind = 'lock' | 'semaphore' | 'readWrite' | 'register';
export function objectId(target: string, kind: ObjectKind, name: string, limit?: number): string {
  return `${target}/${kind}/${name}${limit === undefined ? '' : `:${limit}`}`;
}

/** How much of the history is shown around what is wrong with it. */
const SHOWN_EVENTS = 40;

/** Compares what happened with what locks, semaphores, read/write locks and what they protect may do. */
export function judge(events: readonly HistoryEvent[]): Verdicts {
  const forgettings = forgettingsOf(events);
  const violations: string[] = [];
  const holds = holdsOf(events);
  const excused: ObservedHold[] = [];
  for (const object of new Set(holds.map((hold) => hold.object))) {
    const all = holds.filter((hold) => hold.object === object);
    const model = modelOf(object);
    const known = forgettings.filter(({ objects }) => object.startsWith(objects));
    const shortened = all.map((hold) => shorten(hold, known));
    violations.push(...complaints(object, model, operationsOf(shortened), events));
    excused.push(...shortened.filter((hold, index) => hold !== all[index]));
  }
  for (const [object, operations] of updatesOf(events)) violations.push(...complaints(object, registerModel, operations, events));
  const names = new Set(excused.map(({ hold }) => hold));
  return {
    violations,
    holds,
    breaches:
      violations.length > 0
        ? []
        : overlapping(
            holds.filter(({ hold }) => names.has(hold)),
            holds,
          ),
  };
}

/** From the beginning of each fault by which a store may forget until the store was healed. */
function forgettingsOf(events: readonly HistoryEvent[]): Forgetting[] {
  return events.flatMap((event, index) => {
    if (event.what !== 'fault' || !event.forgets) return [];
    const { target } = event;
    const healed = events.slice(index).find((later) => later.what === 'healed' && later.target === target);
    return [{ objects: `${target}/`, from: event.at, to: healed?.at ?? Infinity }];
  });
}

function modelOf(object: string) {
  const [, kind, name = ''] = object.split('/');
  if (kind === 'semaphore') return semaphoreModel(Number(name.split(':')[1]));
  return kind === 'readWrite' ? readWriteModel : mutexModel;
}

/** A hold that stood while the store forgot may have ended from that moment on, whatever its holder believes. */
function shorten(hold: ObservedHold, forgettings: readonly Forgetting[]): ObservedHold {
  const froms = forgettings
    .filter(({ from, to }) => hold.askedAt < to && hold.endedBy > from)
    .map(({ from }) => Math.max(from, hold.askedAt));
  const believedUntil = Math.min(hold.believedUntil, ...froms);
  return believedUntil === hold.believedUntil ? hold : { ...hold, believedUntil };
}

/** Those that were granted while one of `excused` was believed in that excludes them. */
function overlapping(excused: readonly ObservedHold[], holds: readonly ObservedHold[]): ObservedHold[] {
  return holds.filter((later) =>
    excused.some(
      (earlier) =>
        earlier.object === later.object &&
        earlier.hold !== later.hold &&
        earlier.grantedAt < later.askedAt &&
        later.grantedAt < earlier.believedUntil &&
        later.mode !== 'permits' &&
        !(earlier.mode === 'read' && later.mode === 'read'),
    ),
  );
}

function complaints<S, O>(
  object: string,
  model: Model<S, O>,
  operations: readonly Operation<O>[],
  events: readonly HistoryEvent[],
): string[] {
  const verdict = linearize(model, operations);
  if (verdict.isLinearizable) return [];
  const { stuck, open, states } = verdict;
  const around = about(object, events).filter(({ at }) => at <= stuck.end);
  return [
    [
      `${object}: "${model.textOf(stuck.op)}" by ${stuck.process}, which ended at ${(stuck.end / 1e6).toFixed(3)} ms, fits in no order`,
      `under way: ${open.map(({ op }) => model.textOf(op)).join('; ')}`,
      `possible before it: ${states.join('; ')}`,
      ...around.slice(-SHOWN_EVENTS).map(textOfEvent),
    ].join('\n'),
  ];
}

/** What a history has of one object, and what was done to its store and to processes. */
function about(object: string, events: readonly HistoryEvent[]): HistoryEvent[] {
  const calls = new Set<string>();
  return events.filter((event) => {
    if (event.what === 'fault' || event.what === 'healed') return event.target === null || object.startsWith(`${event.target}/`);
    const call = 'hold' in event ? event.hold : event.update;
    if ('object' in event && event.object === object) calls.add(call);
    return calls.has(call);
  });
}
