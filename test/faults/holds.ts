import type { HistoryEvent, HoldMode } from './history.js';
import type { HoldOp } from './lock-models.js';
import type { Operation } from './model.js';

/** What became of one hold, from the call to the end of the belief in it. All moments are as in the history. */
export interface ObservedHold {
  readonly hold: string;
  readonly process: string;
  readonly object: string;
  readonly mode: HoldMode;
  readonly permits: number;
  readonly token: bigint | null;
  readonly askedAt: number;
  readonly grantedAt: number;
  /** The last moment at which it was certainly believed in; the holder may have begun to doubt it right after. */
  readonly believedUntil: number;
  /** By when nobody believed in it any more; Infinity when its process was killed. */
  readonly endedBy: number;
  /** How it ended; null: its process was killed. */
  readonly outcome: 'released' | 'lost' | 'unknown' | null;
}

interface Sketch {
  asked: Extract<HistoryEvent, { what: 'acquire' }>;
  token: string | null;
  grantedAt: number | null;
  believedUntil: number;
  releaseAt: number | null;
  endedBy: number;
  outcome: ObservedHold['outcome'];
}

/** The holds of a history that were granted. What was asked for and refused, or asked for by a process that was killed, nobody believes in. */
export function holdsOf(events: readonly HistoryEvent[]): ObservedHold[] {
  const sketches = new Map<string, Sketch>();
  for (const event of events) {
    if (event.what === 'acquire') {
      sketches.set(event.hold, {
        asked: event,
        token: null,
        grantedAt: null,
        believedUntil: event.at,
        releaseAt: null,
        endedBy: Infinity,
        outcome: null,
      });
    } else if ('hold' in event) {
      const sketch = sketches.get(event.hold);
      if (sketch !== undefined) note(sketch, event);
    }
  }
  return [...sketches.values()].flatMap(({ asked, grantedAt, token, believedUntil, endedBy, outcome }) => {
    if (grantedAt === null) return [];
    const { hold, process, object, mode, permits, at } = asked;
    const number = token === null ? null : BigInt(token);
    return { hold, process, object, mode, permits, token: number, askedAt: at, grantedAt, believedUntil, endedBy, outcome };
  });
}

function note(sketch: Sketch, event: Extract<HistoryEvent, { hold: string }>): void {
  switch (event.what) {
    case 'acquired':
      sketch.grantedAt = event.at;
      sketch.token = event.token;
      break;
    case 'believed':
      sketch.believedUntil = event.at;
      break;
    case 'release':
      sketch.releaseAt = event.at;
      break;
    case 'released':
      // A release that says "it ended by my doing" says that the hold stood until then.
      if (event.freed === true && sketch.releaseAt !== null) sketch.believedUntil = sketch.releaseAt;
      sketch.endedBy = Math.min(sketch.endedBy, event.at);
      sketch.outcome ??= event.freed === true ? 'released' : 'unknown';
      break;
    case 'lost':
      sketch.endedBy = Math.min(sketch.endedBy, event.at);
      sketch.outcome = 'lost';
      break;
    case 'acquire':
    case 'refused':
      break;
    default:
      event satisfies never;
  }
}

/** A hold as two operations: it begins between the call and the answer, and ends after the last belief in it. */
export function operationsOf(holds: readonly ObservedHold[]): Operation<HoldOp>[] {
  return holds.flatMap(({ hold, process, mode, permits, token, askedAt, grantedAt, believedUntil, endedBy }) => [
    { op: { do: 'acquire', hold, mode, permits, token }, process, call: askedAt, end: grantedAt },
    { op: { do: 'end', hold }, process, call: believedUntil, end: Math.max(endedBy, grantedAt) },
  ]);
}
