import type { Step } from './connection.js';
import type { Flight, Queued } from './flight.js';
import type { SenderParts } from './sender-parts.js';

/** Lets a request travel with others. */
export function join<S extends Step>(flight: Flight<S>, queued: Queued<S>, leastSilenceMs: number): void {
  const { keys, args, timeoutMs } = queued.piece;
  flight.requests.push(queued);
  flight.keys.push(...keys);
  flight.args.push(...args);
  flight.timeoutMs = Math.max(flight.timeoutMs, timeoutMs);
  flight.patienceMs = Math.min(flight.patienceMs, Math.max(timeoutMs, leastSilenceMs));
}

/** Puts requests for one step together (per route, where the store asks for that), without letting two for the same keys change places. */
export function group<S extends Step>(
  queue: readonly Queued<S>[],
  parts: SenderParts<S>,
  byRoute: boolean,
  newFlight: (queued: Queued<S>) => Flight<S>,
): readonly Flight<S>[] {
  const flights: Flight<S>[] = [];
  const lastOf = new Map<string, number>();
  const lastTouched = new Map<string, number>();
  for (const queued of queue) {
    const { step, route, keys } = queued.piece;
    const kind = byRoute ? `${step.name} ${route}` : step.name;
    const hold = keys[0] ?? '';
    const last = lastOf.get(kind);
    const flight = last === undefined ? undefined : flights[last];
    const touched = lastTouched.get(hold);
    const isFull = flight === undefined || flight.requests.length >= step.most || parts.isApart?.(route) === true;
    if (last !== undefined && flight !== undefined && !isFull && (touched === undefined || touched <= last)) {
      join(flight, queued, parts.leastSilenceMs);
      lastTouched.set(hold, last);
    } else {
      lastTouched.set(hold, flights.length);
      lastOf.set(kind, flights.length);
      flights.push(newFlight(queued));
    }
  }
  return flights;
}
