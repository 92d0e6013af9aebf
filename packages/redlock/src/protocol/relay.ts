import type { Clock, HoldRequest } from '@holdfast/core';
import { addTo, elapsedSince, removeFrom } from '@holdfast/core/backend';
import type { Trial } from './trial.js';

/** For so long a permit stays with this client; then it is the turn of others. */
const TURN_MS = 100;
/** A hold that was confirmed longer ago, by a part of its time, would leave the next holder too little of what was asked for. */
const FRESH_PART = 20;
/** After the end of a turn others need as long as the release took, to hear of it, and half as long again, to be first. */
const REST_FACTOR = 1.5;

/** A request of this client that is under way. */
export interface Seeker {
  readonly request: HoldRequest;
  /** @returns whether it goes on with this hold, and leaves what it has asked for */
  take(hold: Trial): boolean;
}

/** A permit that is given back, and may go to another request of this client in the same turn of the event loop. */
export interface Offer {
  readonly hold: Trial;
  /** This request goes on with it. */
  readonly onTaken: (request: HoldRequest) => void;
  /** Nobody goes on with it. */
  readonly letGo: () => void;
}

/**
 * Passes permits on within this client: what one holder gives back goes to a request for the same that is under way, or comes directly
 * behind the release. The votes stand on, so the next holder begins at once, with the rest of the time for which they are known to
 * stand; no other client can come between, which would cost each of them a round of votes that are split.
 *
 * Permits only: they have no fencing token, which would have to rise.
 */
export class Relay {
  readonly #clock: Clock;
  readonly #seekers = new Map<string, Set<Seeker>>();
  readonly #offers = new Map<string, Set<Offer>>();
  /** By name: until others have had their turn. */
  readonly #rests = new Map<string, Promise<void>>();

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  enter(seeker: Seeker): void {
    addTo(this.#seekers, seeker.request.name, seeker);
  }

  leave(seeker: Seeker): void {
    removeFrom(this.#seekers, seeker.request.name, seeker);
  }

  /** @returns whether a request that is under way has taken it; else the next request may, until `withdraw` */
  offer(offer: Offer): boolean {
    const { name } = offer.hold.unit;
    for (const seeker of this.#seekers.get(name) ?? []) {
      if (!this.#fits(offer.hold, seeker.request) || !seeker.take(offer.hold)) continue;
      this.#pass(offer, seeker.request);
      return true;
    }
    addTo(this.#offers, name, offer);
    return false;
  }

  withdraw(offer: Offer): void {
    removeFrom(this.#offers, offer.hold.unit.name, offer);
  }

  /** What is offered at this moment and fits. The rest of the offers is released before anything else is asked for. */
  take(request: HoldRequest): Trial | null {
    const offers = [...(this.#offers.get(request.name) ?? [])];
    const offer = offers.find(({ hold }) => this.#fits(hold, request));
    if (offer === undefined) {
      for (const { letGo } of offers) letGo();
      return null;
    }
    this.withdraw(offer);
    this.#pass(offer, request);
    return offer.hold;
  }

  /** Whether a hold has been with this client for so long that others come first. */
  isOthersTurn({ passedSince }: Trial): boolean {
    return passedSince !== null && this.#clock.now() - passedSince >= TURN_MS;
  }

  /** Requests for the name wait until others have had time to be first. */
  rest(name: string, released: Promise<unknown>): void {
    const startedAt = this.#clock.now();
    const isOver = released.then(
      () =>
        new Promise<void>((resolve) => {
          this.#clock.setTimer((this.#clock.now() - startedAt) * (REST_FACTOR - 1), resolve);
        }),
      () => {},
    );
    this.#rests.set(name, isOver);
    void isOver.then(() => {
      if (this.#rests.get(name) === isOver) this.#rests.delete(name);
    });
  }

  restOf(name: string): Promise<void> | undefined {
    return this.#rests.get(name);
  }

  #pass({ hold, onTaken }: Offer, request: HoldRequest): void {
    hold.passedSince ??= this.#clock.now();
    onTaken(request);
  }

  #fits(hold: Trial, request: HoldRequest): boolean {
    const { unit, confirmed, request: first } = hold;
    if (request.mode !== 'permits' || first.mode !== 'permits' || confirmed === null || this.isOthersTurn(hold)) return false;
    return (
      request.permits === first.permits &&
      request.limit === first.limit &&
      request.label === unit.label &&
      request.ttlMs <= confirmed.ttlMs &&
      elapsedSince(this.#clock, confirmed.stamp) <= Math.min(TURN_MS, request.ttlMs / FRESH_PART)
    );
  }
}
