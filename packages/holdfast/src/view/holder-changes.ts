import { keyOf, type LockRow } from './lock-row.js';

/**
 * How often holders change, as far as looks from time to time can see it: a lock that has gone from hand to hand several times between two looks has
 * changed once.
 */
export class HolderChanges {
  #last: ReadonlyMap<string, string> | null = null;
  #at = 0;
  #wasCut = false;

  /**
   * @param isCut more is held than `rows`: a name that is not among them may have been left out, and is no change
   * @returns changes a second since the last look; null at the first one
   */
  note(rows: readonly LockRow[], now: number, isCut: boolean): number | null {
    const holders = new Map(rows.map((row) => [keyOf(row), holderOf(row)]));
    const [before, wasCut] = [this.#last, this.#wasCut];
    const seconds = (now - this.#at) / 1000;
    this.#last = holders;
    this.#at = now;
    this.#wasCut = isCut;
    if (before === null || seconds <= 0) return null;
    let changes = 0;
    for (const [key, holder] of holders) if (before.has(key) ? before.get(key) !== holder : !wasCut) changes += 1;
    if (!isCut) for (const key of before.keys()) if (!holders.has(key)) changes += 1;
    return changes / seconds;
  }
}

/** What tells one holder from the next: its token, or where there is none its label and number. */
function holderOf({ token, label, holders, mode }: LockRow): string {
  return token ?? `${holders} ${mode} ${label}`;
}
