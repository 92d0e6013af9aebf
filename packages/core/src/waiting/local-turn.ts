/** After handing over within this manager for so long, other managers get their turn. */
const LOCAL_TURN_MS = 100;

/**
 * For how long one name has gone from one task of this manager to the next. Handing over within the manager is the fastest way, and would
 * starve other managers without an end.
 */
export class LocalTurn {
  #since: number | null = null;

  /** A hold of this manager has ended: what is granted next may be the next hold in a row. */
  begin(now: number): void {
    this.#since ??= now;
  }

  /** Another manager holds the name. */
  end(): void {
    this.#since = null;
  }

  /** Whether it is the turn of other managers. To be asked before each request: the next one begins a turn of its own. */
  isOver(now: number): boolean {
    if (this.#since === null || now - this.#since < LOCAL_TURN_MS) return false;
    this.#since = null;
    return true;
  }
}
