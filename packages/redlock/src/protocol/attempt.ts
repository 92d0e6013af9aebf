import type { Answer, CallContext, Clock, HoldRequest, LockUnavailableError, Stamp } from '@holdfast/core';
import { stampOf } from '@holdfast/core/backend';
import { tooFewNodes, undecided } from '../redlock-error.js';
import { askNodes, type NodeAnswer } from './ask-nodes.js';
import type { Leftover } from './cleaner.js';
import { confirmVotes } from './confirm-votes.js';
import { type ProtocolContext, stepMs } from './context.js';
import { firstTrial, nextTrial } from './next-trial.js';
import type { Vote, VoteRequest } from './node.js';
import type { Trial } from './trial.js';
import { driftMs } from './validity.js';

const LONGEST_JITTER_MS = 40;

/** One of the requests of an attempt, over all its rounds. */
interface Contest {
  readonly request: HoldRequest;
  readonly waits: boolean;
  trial: Trial;
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
      trial: firstTrial(context, call.clock, request),
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
    const trials = won.map(({ trial }) => trial);
    const confirmed = new Set(await confirmVotes(this.#context, this.#clock, trials, this.#stepMs()));
    if (this.#isServed) return null;
    for (const { request, trial } of won) {
      if (!confirmed.has(trial)) continue;
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
    if (!trial.isOver) return;
    // It came when the round was over: freed behind it.
    const { cleaner } = this.#context;
    if (this.#hasLeft(trial, node)) void cleaner.free([this.#leftover(trial, node)]);
    else cleaner.drop(node, trial.unit.owner);
  }

  #noteLimit({ request }: Trial, vote: Vote | undefined): void {
    if (request.mode !== 'permits' || vote === undefined || vote.kind === 'abstained' || vote.otherLimit === undefined) return;
    this.#context.onLimitDiffers({ name: request.name, limit: request.limit, holdersLimit: vote.otherLimit });
  }

  /** Frees what the nodes may have of these; resolves when those that are known to have something have answered. */
  async #free(trials: readonly Trial[]): Promise<void> {
    const { cleaner } = this.#context;
    const standing: Leftover[] = [];
    const uncertain: Leftover[] = [];
    const pending: Leftover[] = [];
    for (const trial of trials) {
      trial.isOver = true;
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

  /** Prepares another round, if there is time for one and it may be won. */
  #mayTryAgain(contest: Contest): boolean {
    if (this.#endsAt - this.#now < 1) return false;
    const next = nextTrial(this.#context, this.#clock, contest.trial, this.#round);
    if (next === null) return false;
    contest.trial = next;
    return true;
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
    return stepMs(this.#context.settings, this.#endsAt - this.#now);
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
