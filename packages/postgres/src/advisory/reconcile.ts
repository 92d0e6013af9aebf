import { unavailableBecause } from '../postgres-error.js';
import type { Hold, HoldTable } from './hold-table.js';
import { type KeyMode, KeyRing } from './key-ring.js';
import { type UnlockRow, unlockValues } from './release-batch.js';
import type { SessionLine } from './session-line.js';
import { keyOfHalves, listKeys, unlock } from './statements.js';

const ROUNDS = 3;

/**
 * Makes the server and the table agree: after a statement that failed midway, which keeps what it took before. What the
 * server has too much is unlocked.
 *
 * @returns the holds whose keys are gone
 * @throws LockUnavailableError when they will not agree
 */
export async function reconcile(line: SessionLine, table: HoldTable): Promise<readonly Hold[]> {
  const lost: Hold[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const there = new KeyRing();
    for (const [high, low, mode] of await line.send(listKeys)) {
      there.add(keyOfHalves(high, low), mode === 'ExclusiveLock' ? 'exclusive' : 'shared');
    }
    lost.push(...takeOutMissing(table, there));
    const surplus = unlocksOf([...there.entries()].filter(([key, mode]) => !table.ring.has(key, mode)));
    if (surplus.length === 0) return lost;
    await line.send(unlock, unlockValues(surplus));
  }
  throw unavailableBecause('the session holds what cannot be unlocked');
}

/** Unlocks of keys in whose place nobody is to be woken. */
export function unlocksOf(keys: Iterable<readonly [key: bigint, mode: KeyMode]>): readonly UnlockRow[] {
  return Array.from(keys, ([key, mode]) => ({ mode: mode === 'exclusive' ? 'x' : 's', key, waiters: null, channel: '' }) as const);
}

function takeOutMissing(table: HoldTable, there: KeyRing): readonly Hold[] {
  for (const [key, mode] of [...table.ring.entries()]) if (!there.has(key, mode)) table.ring.remove(key, mode);
  const lost = [...table.holds()].filter((hold) => table.isBroken(hold));
  for (const hold of lost) table.remove(hold);
  return lost;
}
