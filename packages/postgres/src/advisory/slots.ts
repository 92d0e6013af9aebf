/** So many slots may be tried in one statement. */
export const MAX_TRIED = 256;

/**
 * Which slots to try, in ascending order: all who ask go the same way, so that of two who each need more than half
 * one gets them. Slots of this session are left out: the server would grant them twice.
 */
export function slotsToTry(limit: number, own: ReadonlySet<number>, taken: ReadonlySet<number>, most: number): readonly number[] {
  const slots: number[] = [];
  for (let slot = 0; slot < limit && slots.length < most; slot++) {
    if (!own.has(slot) && !taken.has(slot)) slots.push(slot);
  }
  return slots;
}
