import type { Clock } from '@holdfast/core';

/** Two clocks may each be off by one in a hundred. */
const DRIFT = 1.021;
/** By how much the store's clock may be set back, in milliseconds. */
const MARGIN_MS = 1_000;

/** What a mutant changes of how requests expire. */
export interface ExpiryRules {
  /** Whether the server looks at the moment at all. */
  readonly isChecked: boolean;
  /** Which of an owner's moments a release has to come after. */
  readonly keeps: 'latest' | 'first';
  /** When nothing of an owner can take effect any more. */
  readonly isFinal: (release: { readonly serverMs: number; readonly notAfter: number; readonly wereAnswered: boolean }) => boolean;
  readonly renewalsExpire: boolean;
  /** Whether an answer counts as the end of a request that may arrive twice. */
  readonly trustsAnswers: boolean;
}

export const realExpiry: ExpiryRules = {
  isChecked: true,
  keeps: 'latest',
  isFinal: ({ serverMs, notAfter, wereAnswered }) => wereAnswered || serverMs > notAfter + MARGIN_MS,
  renewalsExpire: true,
  trustsAnswers: false,
};

interface Owner {
  notAfter: number;
  unanswered: number;
}

/** Until when the requests of one connection may take effect, by the server's clock as it is known here. */
export class RequestExpiry {
  readonly #clock: Clock;
  readonly #rules: ExpiryRules;
  /** A request may arrive a second time, so that an answer proves nothing. */
  readonly #mayRepeat: boolean;
  readonly #owners = new Map<string, Owner>();
  #sample: { readonly at: number; readonly serverMs: number } | null = null;

  constructor(clock: Clock, rules: ExpiryRules, mayRepeat: boolean) {
    this.#clock = clock;
    this.#rules = rules;
    this.#mayRepeat = mayRepeat;
  }

  /** The moment after which the server must refuse; 0 while nothing is known of its clock. */
  notAfter(timeoutMs: number, sample = this.#sample): number {
    if (sample === null) return 0;
    return Math.floor(sample.serverMs + (this.#clock.now() - sample.at + timeoutMs) * DRIFT);
  }

  /** Learns from a reply. @param at this machine's monotonic time before the request was sent */
  learn(at: number, serverMs: number, timeoutMs: number): void {
    if (this.#clock.now() - at > timeoutMs || (this.#sample !== null && this.#sample.at > at)) return;
    this.#sample = { at, serverMs };
  }

  sent(owners: readonly string[], notAfter: number): void {
    for (const name of owners) {
      const owner = this.#owners.get(name) ?? { notAfter, unanswered: 0 };
      if (this.#rules.keeps === 'latest') owner.notAfter = Math.max(owner.notAfter, notAfter);
      owner.unanswered += 1;
      this.#owners.set(name, owner);
    }
  }

  answered(owners: readonly string[]): void {
    for (const name of owners) {
      const owner = this.#owners.get(name);
      if (owner === undefined) continue;
      owner.unanswered -= 1;
    }
  }

  /** To be asked when a release is sent. @returns says with its reply whether it was final */
  releasing(name: string): (serverMs: number) => boolean {
    const owner = this.#owners.get(name);
    const wereAnswered = owner === undefined || (owner.unanswered === 0 && (!this.#mayRepeat || this.#rules.trustsAnswers));
    return (serverMs) => {
      const isFinal = this.#rules.isFinal({ serverMs, notAfter: owner?.notAfter ?? 0, wereAnswered });
      if (isFinal) this.#owners.delete(name);
      return isFinal;
    };
  }
}
