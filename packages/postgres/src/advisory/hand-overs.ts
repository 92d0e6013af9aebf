import type { HoldTable } from './hold-table.js';
import type { AttemptOperation, ReleaseOperation } from './operations.js';

/** Which release may go with which request, of the next waiter of this session for the same name. */
export type HandOvers = ReadonlyMap<AttemptOperation, ReleaseOperation>;

export const NO_HAND_OVERS: HandOvers = new Map();

/** For so long in a row, then others are notified, and the first who asks has it. Core does as much for locks, but not for permits. */
const TURN_MS = 100;

/**
 * Finds the releases behind which this session itself asks for the same name. One statement carries out both: nobody else is notified, for
 * nothing becomes free.
 */
export function handOversOf(
  releases: readonly ReleaseOperation[],
  attempts: readonly AttemptOperation[],
  table: HoldTable,
  now: number,
): HandOvers {
  if (releases.length === 0 || attempts.length === 0) return NO_HAND_OVERS;
  const first = new Map<string, AttemptOperation>();
  for (const operation of attempts) if (!first.has(operation.keys.id)) first.set(operation.keys.id, operation);
  const handOvers = new Map<AttemptOperation, ReleaseOperation>();
  for (const release of releases) {
    const hold = table.get(release.ref.owner);
    if (hold === undefined || hold.ref.name !== release.ref.name) continue;
    if (hold.handedOnSince !== null && now - hold.handedOnSince >= TURN_MS) continue;
    const operation = first.get(hold.keys.id);
    if (operation === undefined || handOvers.has(operation)) continue;
    const { request, signal } = operation;
    // One that was given up is not asked for, and one that is held already is answered as before.
    if (signal.aborted || table.get(request.owner) !== undefined) continue;
    if (table.keyHandedOn(hold, request) !== null) handOvers.set(operation, release);
  }
  return handOvers;
}
