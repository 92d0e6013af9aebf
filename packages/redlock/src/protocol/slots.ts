import type { Vote } from './node.js';

/** Permits w of a semaphore of k are w of its slots, each a quorum lock; which ones is the client's choice. */
export interface SlotChoice {
  readonly limit: number;
  readonly permits: number;
  readonly random: () => number;
}

const ENOUGH_TO_CHOOSE_FROM = 1024;

/** The first guess: a run of slots from a random one on, past those that this client has itself. */
export function guessSlots({ limit, permits, random }: SlotChoice, own: ReadonlySet<number>): readonly number[] {
  const slots: number[] = [];
  const start = Math.floor(random() * limit);
  for (let i = 0; i < limit && slots.length < permits; i++) {
    const slot = (start + i) % limit;
    if (!own.has(slot)) slots.push(slot);
  }
  // Own ones may have expired: the nodes know.
  for (let i = 0; i < limit && slots.length < permits; i++) {
    const slot = (start + i) % limit;
    if (!slots.includes(slot)) slots.push(slot);
  }
  return slots;
}

/**
 * What remains to choose once the nodes have shown what is taken: slots that a quorum of those that answered has free.
 *
 * @returns null when there are too few: the semaphore is busy
 */
export function freeSlots(
  { limit, permits, random }: SlotChoice,
  votes: readonly (Vote | string)[],
  quorum: number,
): readonly number[] | null {
  const takenBy = new Map<number, number>();
  let answered = 0;
  for (const vote of votes) {
    if (typeof vote === 'string' || vote.kind === 'abstained') continue;
    answered += 1;
    for (const slot of vote.taken) takenBy.set(slot, (takenBy.get(slot) ?? 0) + 1);
  }
  if (answered < quorum) return null;
  // Of so many as there may be, a run from anywhere will do: enough that two who choose at the same time seldom meet.
  const enough = Math.max(ENOUGH_TO_CHOOSE_FROM, 2 * permits);
  const start = limit > enough + takenBy.size ? Math.floor(random() * limit) : 0;
  const free: number[] = [];
  for (let i = 0; i < limit && free.length < enough; i++) {
    const slot = (start + i) % limit;
    if (answered - (takenBy.get(slot) ?? 0) >= quorum) free.push(slot);
  }
  if (free.length < permits) return null;
  // Any of them, and not the first: others choose at the same time.
  for (let i = 0; i < permits; i++) {
    const other = i + Math.floor(random() * (free.length - i));
    [free[i], free[other]] = [free[other] as number, free[i] as number];
  }
  return free.slice(0, permits).sort((a, b) => a - b);
}
