import type { Clock } from '@holdfast/core';
import type { FreedVotes } from './freed-votes.js';
import type { RedlockNode, Release, ReleaseRequest } from './node.js';

const FIRST_RETRY_MS = 50;
const LAST_RETRY_MS = 1000;

interface Doubt {
  readonly request: ReleaseRequest;
  /** Monotonic time from which on the vote has ended by itself. */
  readonly until: number;
  /** Nothing is asked yet: the request that it is about has not been answered. */
  readonly isHeldBack: boolean;
}

/** What has to be freed on one node until the node says that nothing of it can stand any more. */
class NodeCleaner {
  readonly #node: RedlockNode;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #onFreed: (owner: string) => void;
  readonly #doubts = new Map<string, Doubt>();
  /** How many rounds of each attempt are in doubt. */
  readonly #attempts = new Map<string, number>();
  #delayMs = FIRST_RETRY_MS;
  #timer: { cancel(): void } | null = null;
  #isClosed = false;

  constructor(node: RedlockNode, clock: Clock, timeoutMs: number, onFreed: (owner: string) => void) {
    this.#node = node;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
    this.#onFreed = onFreed;
  }

  has(owner: string): boolean {
    return this.#attempts.has(attemptOf(owner));
  }

  add(request: ReleaseRequest, until: number, isHeldBack: boolean): void {
    const { owner } = request;
    if (this.#isClosed) return;
    if (!this.#doubts.has(owner)) this.#attempts.set(attemptOf(owner), (this.#attempts.get(attemptOf(owner)) ?? 0) + 1);
    this.#doubts.set(owner, { request, until, isHeldBack });
  }

  drop(owner: string): void {
    if (!this.#doubts.delete(owner)) return;
    const attempt = attemptOf(owner);
    const left = (this.#attempts.get(attempt) ?? 1) - 1;
    if (left === 0) this.#attempts.delete(attempt);
    else this.#attempts.set(attempt, left);
  }

  /** Resolves when the node has answered a first time, or did not in time; what is not final is repeated in the background. */
  free(requests: readonly ReleaseRequest[]): Promise<void> {
    this.#delayMs = FIRST_RETRY_MS;
    return this.#send(requests);
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#doubts.clear();
    this.#attempts.clear();
  }

  #send(requests: readonly ReleaseRequest[]): Promise<void> {
    return new Promise((resolve) => {
      const deadline = this.#clock.setTimer(this.#timeoutMs, resolve);
      const settle = (releases: readonly Release[]): void => {
        deadline.cancel();
        for (const [index, { owner }] of requests.entries()) {
          if (releases[index]?.wasFreed === true) this.#onFreed(owner);
          if (releases[index]?.isFinal === true) this.drop(owner);
        }
        this.plan();
        resolve();
      };
      this.#node.release(requests, this.#timeoutMs).then(settle, () => settle([]));
    });
  }

  plan(): void {
    if (this.#isClosed || this.#timer !== null || this.#doubts.size === 0) return;
    this.#timer = this.#clock.setTimer(this.#delayMs, () => {
      this.#timer = null;
      this.#delayMs = Math.min(this.#delayMs * 2, LAST_RETRY_MS);
      const now = this.#clock.now();
      const due: ReleaseRequest[] = [];
      for (const [owner, { request, until, isHeldBack }] of this.#doubts) {
        if (now >= until) this.drop(owner);
        else if (!isHeldBack) due.push(request);
      }
      if (due.length === 0) this.plan();
      else void this.#send(due);
    });
  }
}

/** One thing to be freed on one node. */
export interface Leftover {
  readonly node: number;
  readonly request: ReleaseRequest;
  /** Monotonic time from which it has ended by itself. */
  readonly until: number;
}

/**
 * Frees what failed attempts and unanswered releases may have left, on every node, until the node's answer is final or the vote has
 * ended by itself.
 */
export class Cleaner {
  readonly #nodes: readonly NodeCleaner[];

  constructor(nodes: readonly RedlockNode[], clock: Clock, timeoutMs: number, freedVotes: FreedVotes) {
    this.#nodes = nodes.map((node, index) => new NodeCleaner(node, clock, timeoutMs, (owner) => freedVotes.note(index, owner)));
  }

  /** Whether anything that this owner asked for, in any round, may yet stand or come to stand on the node. */
  has(node: number, owner: string): boolean {
    return this.#nodes[node]?.has(owner) === true;
  }

  /** Resolves when every node that is concerned was asked once. Never rejects. */
  async free(leftovers: readonly Leftover[]): Promise<void> {
    const sent: Promise<void>[] = [];
    for (const [node, cleaner] of this.#nodes.entries()) {
      const own = leftovers.filter((leftover) => leftover.node === node);
      if (own.length === 0) continue;
      for (const { request, until } of own) cleaner.add(request, until, false);
      sent.push(cleaner.free(own.map(({ request }) => request)));
    }
    await Promise.all(sent);
  }

  /** Asks again, by and by, for what a node has just given an answer that was not final, or none. */
  freeLater(leftovers: readonly Leftover[]): void {
    for (const { node, request, until } of leftovers) this.#nodes[node]?.add(request, until, false);
    for (const { node } of leftovers) this.#nodes[node]?.plan();
  }

  /** Notes what is to be freed, or dropped, once the request has been answered: before, a release might overtake the request. */
  holdBack(leftovers: readonly Leftover[]): void {
    for (const { node, request, until } of leftovers) this.#nodes[node]?.add(request, until, true);
    for (const { node } of leftovers) this.#nodes[node]?.plan();
  }

  /** Nothing of it is on the node after all. */
  drop(node: number, owner: string): void {
    this.#nodes[node]?.drop(owner);
  }

  close(): void {
    for (const node of this.#nodes) node.close();
  }
}

/** How many digits of an owner token are the same in all rounds of an attempt. */
export const ATTEMPT_DIGITS = 28;

function attemptOf(owner: string): string {
  return owner.slice(0, ATTEMPT_DIGITS);
}
