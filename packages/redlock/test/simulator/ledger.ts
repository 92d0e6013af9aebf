import type { HoldRequest } from '@holdfast/core';
import { Violation } from '@holdfast/test/simulation';

/** A grant as its client has it. Times are those of the world. */
export interface Grant {
  readonly client: number;
  readonly mode: HoldRequest['mode'];
  readonly permits: number;
  readonly token: bigint;
  readonly askedAt: number;
  readonly grantedAt: number;
  /** Until when it is believed in. */
  until: number;
  /** The votes that counted, by node; null for the others. */
  readonly votes: readonly (CountedVote | null)[];
}

/** A vote that stood with a fence at least as high as the token. Counters of one node compare while it has forgotten nothing. */
export interface CountedVote {
  readonly counter: number;
  readonly losses: number;
}

/** Sees every grant of one name, and what every client believes. */
export class Ledger {
  readonly #limit: number;
  /** Whether the clocks keep what exclusion rests on. */
  readonly #clocksAreSane: boolean;
  readonly #grants: Grant[] = [];

  constructor(limit: number, clocksAreSane: boolean) {
    this.#limit = limit;
    this.#clocksAreSane = clocksAreSane;
  }

  get count(): number {
    return this.#grants.length;
  }

  add(grant: Grant): void {
    if (grant.until <= grant.grantedAt) {
      throw new Violation('validity', `${show(grant)} was granted ${(grant.grantedAt - grant.until).toFixed(1)} ms after its end`);
    }
    if (this.#clocksAreSane) this.#checkExclusion(grant);
    if (grant.mode !== 'permits') this.#checkTokens(grant);
    this.#grants.push(grant);
  }

  #checkExclusion(grant: Grant): void {
    const beside = this.#grants.filter((other) => other.until > grant.grantedAt);
    if (grant.mode === 'permits') {
      const out = beside.reduce((sum, other) => sum + other.permits, grant.permits);
      if (out > this.#limit) throw new Violation('permits', `${out} of ${this.#limit} are out: ${[...beside, grant].map(show).join(', ')}`);
      return;
    }
    const other = beside.find(({ mode }) => mode !== 'read' || grant.mode !== 'read');
    if (other !== undefined) throw new Violation('exclusion', `${show(grant)} beside ${show(other)}`);
  }

  /**
   * With sane clocks in the order of the grants. Else by what any order must keep: the one who asked after another's grant comes after it.
   * A read token is above earlier writes', and below later ones.
   */
  #checkTokens(grant: Grant): void {
    for (const other of this.#grants) {
      if (grant.mode === 'read' && other.mode === 'read') continue;
      checkVotes(grant, other);
      if (!this.#clocksAreSane && other.grantedAt > grant.askedAt) continue;
      if (grant.token <= other.token) throw new Violation('tokens', `${show(grant)} after ${show(other)}`);
    }
  }
}

/** Tokens come in the order in which every node that both count saw the votes: who was forced out stays behind his successor. */
function checkVotes(grant: Grant, other: Grant): void {
  for (const [node, vote] of grant.votes.entries()) {
    const before = other.votes[node];
    if (vote === null || before === null || before === undefined || vote.losses !== before.losses) continue;
    if (vote.counter < before.counter !== grant.token < other.token || grant.token === other.token) {
      throw new Violation(
        'order of votes',
        `at node ${node + 1}: ${vote.counter} for ${show(grant)}, ${before.counter} for ${show(other)}`,
      );
    }
  }
}

function show({ client, mode, token, askedAt, grantedAt, until }: Grant): string {
  return `[client ${client}, ${mode}, token ${token}, asked ${askedAt.toFixed(1)}, granted ${grantedAt.toFixed(1)}, until ${until.toFixed(1)}]`;
}
