import type { Answer, CallContext, Clock, HoldRequest, LockUnavailableError, Stamp } from '@holdfast/core';
import { stampOf } from '@holdfast/core/backend';
import { tooFewNodes, undecided } from '../redlock-error.js';
import { askNodes, type NodeAnswer } from './ask-nodes.js';
import { ATTEMPT_DIGITS, type Leftover } from './cleaner.js';
import type { ProtocolContext } from './context.js';
import type { Unit, Vote, VoteRequest } from './node.js';
import { freeSlots, guessSlots } from './slots.js';
import { Trial } from './trial.js';
import { driftMs, nodeTtlMs } from './validity.js';

/** Votes that were split between clients are cast again this often; when it may as well be held, fewer times. */
const SPLIT_ROUNDS = 10;
const DOUBTFUL_ROUNDS = 4;
const LONGEST_JITTER_MS = 40;

/** One of the requests of an attempt, over all its rounds. */
interface Contest {
  readonly request: HoldRequest;
  readonly waits: boolean;
  trial: Trial;
  isOpen: boolean;
}

/** What one attempt found for one request. */
export interface AttemptResult {
  readonly answer: Answer<bigint>;
  /** Every node granted it: none has it as waiting. */
  readonly everywhere: boolean;
}

/**
 * One attempt at a batch of holds: all nodes are asked in parallel, a majority decides, votes for what was not won are
 * freed on every node. Either every request is answered, or it rejects and nothing is held.
 */
export class Attempt {
  readonly #context: ProtocolContext;
  readonly #clock: Clock;
  readonly #stamp: Stamp;
  readonly #endsAt: number;
  readonly #callMs: number;
  readonly #hintFloor: number;
  readonly #contests: readonly Contest[];
  #round = 0;
  #isOver = false;
  #serve: ((results: readonly AttemptResult[]) => void) | null = null;
  /** It goes on with another's hold. */
  #isServed = false;

  /** @param hintFloor the highest token that this client has seen: no lower hint can be the counter of all nodes */
  constructor(
    context: ProtocolContext,
    requests: readonly HoldRequest[],
    isWaiting: (request: HoldRequest) => boolean,
    call: CallContext,
    hintFloor: number,
  ) {
    this.#context = context;
    this.#clock = call.clock;
    this.#stamp = stampOf(call.clock);
    this.#endsAt = this.#stamp.now + call.timeoutMs;
    this.#callMs = call.timeoutMs;
    this.#hintFloor = hintFloor;
    this.#contests = requests.map((request) => ({
      request,
      waits: isWaiting(request),
      trial: this.#newTrial(request, null),
      isOpen: true,
    }));
  }

  /** The highest token that was granted. */
  get highestToken(): number {
    return Math.max(0, ...this.#contests.map(({ trial }) => (trial.fate === 'held' ? trial.token : 0)));
  }

  /**
   * Goes on with a hold that another holder of this client gives back, while it asks for one of its own; what it gets of that is freed.
   *
   * @returns false when it is too late for that
   */
  take(hold: Trial): boolean {
    if (this.#isOver || this.#isServed || this.#serve === null) return false;
    if (this.#contests.some(({ trial }) => trial.fate === 'held')) return false;
    this.#isServed = true;
    this.#serve([passedOn(hold)]);
    return true;
  }

  /** @throws LockUnavailableError when the answer to any request is unknown */
  run(): Promise<readonly AttemptResult[]> {
    return new Promise((resolve, reject) => {
      this.#serve = resolve;
      this.#rounds().then(resolve, reject);
    });
  }

  async #rounds(): Promise<readonly AttemptResult[]> {
    let failure: LockUnavailableError | null = null;
    let open: readonly Contest[] = this.#contests;
    while (open.length > 0 && failure === null) {
      failure = await this.#vote(open);
      // Given up before it is tried again: a client must not stand in its own way.
      const lost = open.filter(({ trial }) => trial.fate !== 'held');
      for (const { trial } of lost) trial.fate = 'over';
      if (lost.length > 0) await this.#free(lost.map(({ trial }) => trial));
      const isSplit = lost.some(({ trial }) => trial.granted > 0);
      open = failure === null && !this.#isServed ? lost.filter((contest) => this.#mayTryAgain(contest)) : [];
      if (open.length > 0) await this.#nextRound(isSplit);
    }
    this.#isOver = true;
    failure ??= this.#lateness();
    if (failure !== null) {
      const held = this.#contests.flatMap(({ trial }) => (trial.fate === 'held' ? [trial] : []));
      for (const trial of held) trial.fate = 'over';
      await this.#free(held);
    }
    // The owner of one that was served has another hold.
    for (const { request, trial } of this.#contests)
      if (trial.fate !== 'held' && !this.#isServed) this.#context.holds.remove(request.owner);
    if (failure !== null) throw failure;
    return this.#contests.map((contest) => this.#resultOf(contest));
  }

  get #now(): number {
    return this.#clock.now();
  }

  /** Both phases of one round. @returns the failure when a request stays unknown */
  async #vote(open: readonly Contest[]): Promise<LockUnavailableError | null> {
    const { quorum } = this.#context.settings;
    const answers = await this.#askForVotes(open);
    if (this.#isServed) return null;
    for (const { request, trial } of open) {
      const verdict = trial.verdict(quorum, true);
      if (verdict === 'unavailable') return tooFewNodes(this.#context.nodes, answers, quorum, request.name, this.#round > 0);
    }
    const won = open.filter(({ trial }) => trial.verdict(quorum, true) === 'won');
    for (const { trial } of won) trial.token ||= Math.max(...trial.counters);
    const toConfirm = won.filter(({ trial }) => countFrom(trial.counters, trial.token) < quorum).map(({ trial }) => trial);
    const confirmed = toConfirm.length === 0 ? new Map<Trial, number>() : await this.#confirm(toConfirm);
    if (this.#isServed) return null;
    for (const { request, trial } of won) {
      if ((confirmed.get(trial) ?? quorum) < quorum) continue;
      if (this.#isTooLate(trial)) return this.#lateness(trial);
      trial.fate = 'held';
      trial.confirmed = { stamp: this.#stamp, ttlMs: trial.request.ttlMs };
      this.#context.holds.add(request.owner, trial);
    }
    return null;
  }

  #askForVotes(open: readonly Contest[]): Promise<readonly NodeAnswer<readonly Vote[]>[]> {
    const { nodes, settings } = this.#context;
    const hint = Math.max(Math.floor(this.#clock.wall() * 1000), this.#hintFloor + 1);
    const requests = open.map(
      ({ request, waits, trial }): VoteRequest => ({
        unit: trial.unit,
        ttlMs: trial.nodeTtlMs,
        hint,
        waits,
        limit: request.mode === 'permits' ? request.limit : 1,
      }),
    );
    const longestMs = this.#endsAt - this.#now;
    // Of this round: by the time that a late answer comes the next one may have begun, whose votes are others.
    const trials = open.map(({ trial }) => trial);
    return askNodes<readonly Vote[]>({
      nodes,
      clock: this.#clock,
      timeoutMs: this.#stepMs(),
      enough: settings.quorum,
      longestMs,
      ask: (node) => node.acquire(requests, Math.max(1, longestMs)),
      onAnswer: (index, answer) => {
        this.#context.watch.voted(index, answer);
        for (const [at, trial] of trials.entries()) this.#noteVote(trial, index, answer, at);
      },
      // While no node could be reached at all, the last one says whether anything was sent.
      isDecided: (_, pending) =>
        trials.every((trial) => trial.verdict(settings.quorum, false) !== 'open' && (pending === 0 || !trial.isUnsent)),
    });
  }

  #noteVote(trial: Trial, node: number, answer: NodeAnswer<readonly Vote[]>, at: number): void {
    const vote = answer.kind === 'answered' ? answer.value[at] : undefined;
    trial.note(node, answer, vote);
    this.#noteLimit(trial, vote);
    if (!trial.isGivenUp) return;
    // It came when the round was over: freed behind it.
    const { cleaner } = this.#context;
    if (this.#hasLeft(trial, node)) void cleaner.free([this.#leftover(trial, node)]);
    else cleaner.drop(node, trial.unit.owner);
  }

  #noteLimit({ request }: Trial, vote: Vote | undefined): void {
    if (request.mode !== 'permits' || vote === undefined || vote.kind === 'abstained' || vote.otherLimit === undefined) return;
    this.#context.onLimitDiffers({ name: request.name, limit: request.limit, holdersLimit: vote.otherLimit });
  }

  /** The second phase: nodes that gave less than the token raise their fence to it, if our vote still stands there. */
  async #confirm(trials: readonly Trial[]): Promise<ReadonlyMap<Trial, number>> {
    const { nodes, settings } = this.#context;
    const { quorum } = settings;
    const asked = nodes.map((_, index) => trials.filter((trial) => isToConfirm(trial, index)));
    const confirmed = new Map(trials.map((trial) => [trial, countFrom(trial.counters, trial.token)]));
    const open = new Map(trials.map((trial) => [trial, asked.filter((own) => own.includes(trial)).length]));
    const timeoutMs = this.#stepMs();
    await askNodes<readonly boolean[]>({
      nodes,
      clock: this.#clock,
      timeoutMs,
      ask: (node, index) => {
        const own = asked[index] ?? [];
        if (own.length === 0) return null;
        const requests = own.map((trial) => ({ unit: trial.unit, counter: trial.counters[index] ?? 0, token: trial.token }));
        return node.confirm(requests, timeoutMs);
      },
      onAnswer: (index, answer) => {
        for (const [at, trial] of (asked[index] ?? []).entries()) {
          open.set(trial, (open.get(trial) ?? 0) - 1);
          if (answer.kind === 'answered' && answer.value[at] === true) confirmed.set(trial, (confirmed.get(trial) ?? 0) + 1);
        }
      },
      isDecided: () =>
        trials.every((trial) => {
          const yes = confirmed.get(trial) ?? 0;
          return yes >= quorum || yes + (open.get(trial) ?? 0) < quorum;
        }),
    });
    return new Map(confirmed);
  }

  /** Frees what the nodes may have of these; resolves when those that are known to have something have answered. */
  async #free(trials: readonly Trial[]): Promise<void> {
    const { cleaner } = this.#context;
    const standing: Leftover[] = [];
    const uncertain: Leftover[] = [];
    const pending: Leftover[] = [];
    for (const trial of trials) {
      trial.isGivenUp = true;
      for (const [node, vote] of trial.votes.entries()) {
        // What is still pending is freed when it comes: before, a free might overtake it.
        if (vote === 'pending') pending.push(this.#leftover(trial, node));
        else if (this.#hasLeft(trial, node)) (vote === 'failed' ? uncertain : standing).push(this.#leftover(trial, node));
      }
    }
    cleaner.holdBack(pending);
    void cleaner.free(uncertain);
    await cleaner.free(standing);
  }

  #hasLeft(trial: Trial, node: number): boolean {
    return trial.votes[node] === 'failed' || (trial.counters[node] ?? 0) > 0;
  }

  #leftover(trial: Trial, node: number): Leftover {
    const { clock, settings } = this.#context;
    const request = trial.releaseRequest(trial.granted < settings.quorum);
    // The node may yet take it up for as long as the call was given.
    return { node, request, until: clock.now() + 2 * this.#callMs + trial.nodeTtlMs };
  }

  /** Whether nobody can have it, as far as the nodes say, and another round may win it. Prepares that round. */
  #mayTryAgain(contest: Contest): boolean {
    const { request, trial } = contest;
    const { quorum } = this.#context.settings;
    contest.isOpen = false;
    if (this.#endsAt - this.#now < 1) return false;
    let slots: readonly number[] | null = null;
    if (request.mode === 'permits') {
      slots = freeSlots({ limit: request.limit, permits: request.permits, random: () => this.#clock.random() }, trial.votes, quorum);
      if (slots === null && (trial.granted === 0 || this.#round >= DOUBTFUL_ROUNDS)) return false;
      if (this.#round >= SPLIT_ROUNDS) return false;
    } else {
      if (trial.granted === 0 || trial.isHeldByAnother(quorum)) return false;
      const isDoubtful = trial.refusals.some(({ holder }) => holder === null) || trial.votes.some((vote) => typeof vote === 'string');
      if (this.#round >= (isDoubtful ? DOUBTFUL_ROUNDS : SPLIT_ROUNDS)) return false;
    }
    contest.trial = this.#newTrial(request, slots, this.#round + 1);
    contest.isOpen = true;
    return true;
  }

  /** A round of its own has an owner token of its own, or what frees the last round would free this one too. */
  #newTrial(request: HoldRequest, slots: readonly number[] | null, round = 0): Trial {
    const { nodes, settings, holds } = this.#context;
    const known = holds.get(request.owner);
    if (round === 0 && known !== undefined) return this.#repeated(request, known);
    let chosen: readonly number[] = [];
    if (request.mode === 'permits') {
      const { limit, permits, name } = request;
      chosen = slots ?? guessSlots({ limit, permits, random: () => this.#clock.random() }, holds.slotsOf(name));
    }
    const { name, mode, label } = request;
    const unit: Unit = { name, mode, label, owner: ownerOfRound(request.owner, round), slots: chosen };
    return this.#bounded(new Trial(request, unit, nodeTtlMs(request.ttlMs, settings.driftFactor), nodes.length));
  }

  /** Asked twice, the same grant is answered twice: the token is what it was, and the nodes are asked to keep it so long. */
  #repeated(request: HoldRequest, known: Trial): Trial {
    const { nodes, settings } = this.#context;
    const trial = new Trial(request, known.unit, nodeTtlMs(request.ttlMs, settings.driftFactor), nodes.length);
    trial.token = known.token;
    return this.#bounded(trial);
  }

  #bounded(trial: Trial): Trial {
    trial.until = this.#context.clock.now() + trial.nodeTtlMs;
    return trial;
  }

  /** After a split vote everybody waits for another while, so that one comes first. */
  #nextRound(isSplit: boolean): Promise<void> {
    const longest = Math.min(LONGEST_JITTER_MS, 2 << Math.min(this.#round, 5));
    this.#round += 1;
    if (!isSplit) return Promise.resolve();
    return new Promise((resolve) => {
      this.#clock.setTimer(Math.min(this.#clock.random() * longest, Math.max(0, this.#endsAt - this.#now)), resolve);
    });
  }

  /** How long a step may take. */
  #stepMs(): number {
    return Math.max(1, Math.min(this.#context.settings.nodeTimeoutMs, this.#endsAt - this.#now));
  }

  #isTooLate(trial: Trial): boolean {
    const elapsed = Math.max(this.#now - this.#stamp.now, this.#clock.wall() - this.#stamp.wall);
    const { validity, driftFactor } = this.#context.settings;
    return validity(trial.request.ttlMs, elapsed, driftMs(trial.request.ttlMs, driftFactor)) <= 0;
  }

  /** Looked at again at the hand-over: what was won first may have run out while the others were voted on. */
  #lateness(only?: Trial): LockUnavailableError | null {
    const late = only ?? this.#contests.find(({ trial }) => trial.fate === 'held' && this.#isTooLate(trial))?.trial;
    return late === undefined ? null : undecided('the votes came too late to be believed; they were freed again', late.request.name);
  }

  #resultOf({ trial }: Contest): AttemptResult {
    const { quorum } = this.#context.settings;
    if (trial.fate !== 'held') return { answer: { granted: false, remainingMs: trial.remainingMs(quorum) }, everywhere: false };
    return { answer: { granted: true, fencingToken: BigInt(trial.token) }, everywhere: trial.granted === this.#context.nodes.length };
  }
}

/** The answer to a request that goes on with another's hold: as old as the last time that a quorum has answered for it. */
export function passedOn({ token, confirmed }: Trial): AttemptResult {
  const stamp = confirmed === null ? {} : { stamp: confirmed.stamp };
  return { answer: { granted: true, fencingToken: BigInt(token), ...stamp }, everywhere: false };
}

function isToConfirm(trial: Trial, node: number): boolean {
  const counter = trial.counters[node] ?? 0;
  return counter > 0 && counter < trial.token;
}

/** How many nodes have a fence that is at least the token. */
function countFrom(counters: readonly number[], token: number): number {
  return counters.filter((counter) => counter >= token).length;
}

/** As many random bits as before; the leading digits stay, by which nodes and people know whose it is. */
function ownerOfRound(owner: string, round: number): string {
  if (round === 0) return owner;
  const last = Number.parseInt(owner.slice(ATTEMPT_DIGITS), 16) ^ round;
  return owner.slice(0, ATTEMPT_DIGITS) + last.toString(16).padStart(4, '0');
}
