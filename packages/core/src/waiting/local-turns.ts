import { LocalTurn, type TurnServices } from './local-turn.js';

/** So many are looked at with each new one: with two, those that are forgotten go faster than new ones can come. */
const SWEPT_PER_TURN = 2;

/**
 * The local turns of one manager, by key: of each name for which somebody here has waited of late. Not needed where waiters stand in the
 * store's own queue. They outlast the queues of their names,
 * which go whenever the last waiter is granted.
 */
export class LocalTurns {
  readonly #services: TurnServices;
  readonly #turns = new Map<string, LocalTurn>();
  #next = this.#turns.entries();

  constructor(services: TurnServices) {
    this.#services = services;
  }

  open(key: string): LocalTurn {
    const before = this.#turns.get(key);
    if (before !== undefined) return before;
    this.#sweep();
    const turn = new LocalTurn(key, this.#services);
    this.#turns.set(key, turn);
    return turn;
  }

  find(key: string): LocalTurn | undefined {
    return this.#turns.size === 0 ? undefined : this.#turns.get(key);
  }

  #sweep(): void {
    for (let i = 0; i < SWEPT_PER_TURN; i += 1) {
      const next = this.#next.next();
      if (next.done === true) {
        this.#next = this.#turns.entries();
        return;
      }
      const [key, turn] = next.value;
      if (turn.isForgotten) this.#turns.delete(key);
    }
  }
}
