import type { HistoryEvent } from './history.js';
import type { Operation } from './model.js';
import type { RegisterOp } from './register-model.js';

interface Sketch {
  readonly object: string;
  readonly process: string;
  readonly call: number;
  from: number | null;
  writeAt: number;
  end: number;
  accepted: boolean | null;
}

/** What a history has of each register. Who read and was killed before it knew the value has done nothing. */
export function updatesOf(events: readonly HistoryEvent[]): Map<string, Operation<RegisterOp>[]> {
  const sketches = new Map<string, Sketch>();
  for (const event of events) {
    if (event.what === 'read') {
      const { object, process, at } = event;
      sketches.set(event.update, { object, process, call: at, from: null, writeAt: at, end: Infinity, accepted: null });
    } else if (event.what === 'write' || event.what === 'written') {
      const sketch = sketches.get(event.update);
      if (sketch === undefined) continue;
      if (event.what === 'write') {
        sketch.from = event.from;
        sketch.writeAt = event.at;
      } else {
        sketch.end = event.at;
        sketch.accepted = event.accepted;
      }
    }
  }
  const byObject = new Map<string, Operation<RegisterOp>[]>();
  for (const { object, process, call, from, writeAt, end, accepted } of sketches.values()) {
    if (from === null) continue;
    const operations = byObject.get(object) ?? [];
    byObject.set(object, operations);
    // A refused write has still read the number.
    if (accepted === false) operations.push({ op: { do: 'read', value: from }, process, call, end: writeAt });
    else operations.push({ op: { do: 'update', from, to: from + 1 }, process, call, end });
  }
  return byObject;
}
