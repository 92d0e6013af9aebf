import { addTo, removeFrom } from '@holdfast/core/backend';
import type { QueuePlace } from './queue-place.js';

/** The places of one manager in the queues on the server: by owner, by the ticket that messages name, and by name. */
export class QueuePlaces {
  readonly #onServer: (key: string) => string;
  readonly #byOwner = new Map<string, QueuePlace>();
  readonly #byTicket = new Map<string, QueuePlace>();
  /** By the hold's key on the server. */
  readonly #byHold = new Map<string, Set<QueuePlace>>();

  /** @param onServer a key as the server knows it */
  constructor(onServer: (key: string) => string) {
    this.#onServer = onServer;
  }

  get isEmpty(): boolean {
    return this.#byHold.size === 0;
  }

  get all(): Iterable<QueuePlace> {
    return this.#byOwner.values();
  }

  /** Those of each name. */
  get byName(): readonly ReadonlySet<QueuePlace>[] {
    return [...this.#byHold.values()];
  }

  ofOwner(owner: string): QueuePlace | undefined {
    return this.#byOwner.get(owner);
  }

  ofTicket(ticket: string): QueuePlace | undefined {
    return this.#byTicket.get(ticket);
  }

  /** All of the same name, the place itself included while it stands. */
  beside(place: QueuePlace): ReadonlySet<QueuePlace> {
    return this.#byHold.get(this.#keyOf(place)) ?? new Set();
  }

  /** Whether somebody of this manager stands in the queue for the name. */
  has(holdKey: string): boolean {
    return this.#byHold.has(this.#onServer(holdKey));
  }

  /** Whether nobody waits for the name but for the one owner, if that. */
  isLast(holdKey: string, owner: string): boolean {
    const places = this.#byHold.get(this.#onServer(holdKey));
    const own = this.#byOwner.get(owner);
    return places === undefined || (own !== undefined && places.size === 1 && places.has(own));
  }

  enter(place: QueuePlace): void {
    this.#byOwner.set(place.request.owner, place);
    this.#byTicket.set(place.ticket, place);
    addTo(this.#byHold, this.#keyOf(place), place);
  }

  leave(place: QueuePlace): void {
    this.#byOwner.delete(place.request.owner);
    this.#byTicket.delete(place.ticket);
    removeFrom(this.#byHold, this.#keyOf(place), place);
  }

  #keyOf({ keys }: QueuePlace): string {
    return this.#onServer(keys.keys[0]);
  }
}
