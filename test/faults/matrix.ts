import type { HistoryEvent } from './history.js';
import type { ObservedHold } from './holds.js';
import type { RunReport } from './run.js';

/** What one fault did to the callers of one store, over all its times. */
export interface MatrixRow {
  readonly target: string;
  readonly fault: string;
  times: number;
  /** Holds that stood when it began, and were given back by their holders. */
  kept: number;
  /** Holds that stood when it began, and whose holders were notified of the loss. */
  lost: number;
  /** Calls that ended with LOCK_BACKEND_UNAVAILABLE between its beginning and the first grant after it. */
  unavailable: number;
  /** Grants while a hold that excludes them was believed in, as documented. */
  breaches: number;
  /** From its end to the next grant of the store, at most, in milliseconds. */
  recoveredMs: number;
}

/** The row of what befalls processes is that of all stores. */
const PROCESSES = 'every store';

/** What a run shows of each fault. */
export function matrixOf({ events, holds, breaches }: Pick<RunReport, 'events' | 'holds' | 'breaches'>): MatrixRow[] {
  const rows = new Map<string, MatrixRow>();
  const refusals = refusalsOf(events);
  for (const [index, event] of events.entries()) {
    if (event.what !== 'fault') continue;
    const { target, fault, at } = event;
    const key = `${target ?? PROCESSES}: ${fault}`;
    const row = rows.get(key) ?? {
      target: target ?? PROCESSES,
      fault,
      times: 0,
      kept: 0,
      lost: 0,
      unavailable: 0,
      breaches: 0,
      recoveredMs: 0,
    };
    rows.set(key, row);
    const healedAt =
      events.slice(index).find((later) => later.what === 'healed' && later.fault === fault && later.target === target)?.at ?? at;
    const concerns = ({ object }: { readonly object: string }): boolean => target === null || object.startsWith(`${target}/`);
    const mine = holds.filter(concerns);
    const next = Math.min(
      ...mine.filter(({ askedAt, grantedAt }) => grantedAt >= healedAt && askedAt >= at).map(({ grantedAt }) => grantedAt),
    );
    const stood = mine.filter(({ grantedAt, endedBy }) => grantedAt <= at && endedBy > at);
    row.times += 1;
    row.kept += count(stood, 'released');
    row.lost += count(stood, 'lost');
    row.unavailable += refusals.filter((refusal) => concerns(refusal) && refusal.at >= at && refusal.at <= next).length;
    const end = events.slice(index + 1).find((later) => later.what === 'fault' && later.target === target)?.at ?? Infinity;
    // What befalls processes makes no store forget.
    if (target !== null) row.breaches += breaches.filter((hold) => concerns(hold) && hold.grantedAt >= at && hold.grantedAt < end).length;
    if (Number.isFinite(next)) row.recoveredMs = Math.max(row.recoveredMs, Math.round((next - healedAt) / 1e6));
  }
  return [...rows.values()].sort((a, b) => compare(a.target, b.target) || compare(a.fault, b.fault));
}

function count(holds: readonly ObservedHold[], outcome: ObservedHold['outcome']): number {
  return holds.filter((hold) => hold.outcome === outcome).length;
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}

function refusalsOf(events: readonly HistoryEvent[]): { readonly object: string; readonly at: number }[] {
  const objects = new Map<string, string>();
  return events.flatMap((event) => {
    if (event.what === 'acquire') objects.set(event.hold, event.object);
    const object = event.what === 'refused' && event.why === 'LOCK_BACKEND_UNAVAILABLE' ? objects.get(event.hold) : undefined;
    return object === undefined ? [] : [{ object, at: event.at }];
  });
}

/** The rows as a table of Markdown. */
export function textOfMatrix(rows: readonly MatrixRow[]): string {
  const lines = rows.map(
    ({ target, fault, times, kept, lost, unavailable, breaches, recoveredMs }) =>
      `| ${target} | ${fault} | ${times} | ${kept} | ${lost} | ${unavailable} | ${breaches} | ${(recoveredMs / 1000).toFixed(1)} s |`,
  );
  return [
    '| store | fault | times | kept | lost and reported | unavailable | documented breaches | next grant within |',
    '| --- | --- | --- | --- | --- | --- | --- | --- |',
    ...lines,
  ].join('\n');
}
