import type { Clock } from '@holdfast/core';
import type { RedlockNode, ReleaseRequest } from './node.js';

const FIRST_RETRY_MS = 50;
const LAST_RETRY_MS = 1000;
/** After a request whose connection ended unanswered one free is not enough: the server may find the request after it, in a buffer of its own. */
const SECOND_FREE_MS = 150;

interface Doubt {
  readonly request: ReleaseRequest;
  /** From here on the vote has ended by itself. */
  readonly until: number;
  answersMissing: number;
  notBefore: number;
}

/** What has to be freed on one node until the node says that it is. */
class NodeCleaner {
  readonly #node: RedlockNode;
  readonly #clock: Clock;
  readonly #timeoutMs: number;
  readonly #doubts = new Map<string, Doubt>();
  #delayMs = FIRST_RETRY_MS;
  #timer: { cancel(): void } | null = null;
  #isClosed = false;

  constructor(node: RedlockNode, clock: Clock, timeoutMs: number) {
    this.#node = node;
    this.#clock = clock;
    this.#timeoutMs = timeoutMs;
  }

  get size(): number {
    return this.#doubts.size;
  }

  /** Resolves when the node has answered a first time, or did not in time; what failed is tried again in the background. */
  free(requests: readonly ReleaseRequest[], until: number, answersNeeded: number): Promise<void> {
    for (const request of requests) this.#doubts.set(request.owner, { request, until, answersMissing: answersNeeded, notBefore: 0 });
    this.#delayMs = FIRST_RETRY_MS;
    return this.#send([...requests]);
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#doubts.clear();
  }

  #send(requests: readonly ReleaseRequest[]): Promise<void> {
    return new Promise((resolve) => {
      const deadline = this.#clock.setTimer(this.#timeoutMs, resolve);
      const settle = (wasFreed: boolean): void => {
        deadline.cancel();
        const now = this.#clock.now();
        for (const { owner } of requests) {
          const doubt = this.#doubts.get(owner);
          if (doubt === undefined) continue;
          if (wasFreed) doubt.answersMissing -= 1;
          if (doubt.answersMissing <= 0 || now >= doubt.until) this.#doubts.delete(owner);
          else doubt.notBefore = wasFreed ? now + SECOND_FREE_MS : now;
        }
        this.#plan();
        resolve();
      };
      this.#node.release(requests, this.#timeoutMs).then(
        () => settle(true),
        () => settle(false),
      );
    });
  }

  #plan(): void {
    if (this.#isClosed || this.#timer !== null || this.#doubts.size === 0) return;
    this.#timer = this.#clock.setTimer(this.#delayMs, () => {
      this.#timer = null;
      this.#delayMs = Math.min(this.#delayMs * 2, LAST_RETRY_MS);
      const now = this.#clock.now();
      const due: ReleaseRequest[] = [];
      for (const [owner, { request, until, notBefore }] of this.#doubts) {
        if (now >= until) this.#doubts.delete(owner);
        else if (now >= notBefore) due.push(request);
      }
      if (due.length === 0) this.#plan();
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
  /** The request that may have left it ended without an answer. */
  readonly isUncertain: boolean;
}

/** Frees what failed attempts and unanswered releases may have left, on every node, until the node says so or the vote has ended by itself. */
export class Cleaner {
  readonly #nodes: readonly NodeCleaner[];

  constructor(nodes: readonly RedlockNode[], clock: Clock, timeoutMs: number) {
    this.#nodes = nodes.map((node) => new NodeCleaner(node, clock, timeoutMs));
  }

  get size(): number {
    return this.#nodes.reduce((sum, node) => sum + node.size, 0);
  }

  /** Resolves when every node that is concerned was asked once. Never rejects. */
  async free(leftovers: readonly Leftover[]): Promise<void> {
    const sent: Promise<void>[] = [];
    for (const [node, cleaner] of this.#nodes.entries()) {
      for (const isUncertain of [false, true]) {
        const own = leftovers.filter((leftover) => leftover.node === node && leftover.isUncertain === isUncertain);
        if (own.length === 0) continue;
        const until = Math.max(...own.map((leftover) => leftover.until));
        const requests = own.map((leftover) => leftover.request);
        sent.push(cleaner.free(requests, until, isUncertain ? 2 : 1));
      }
    }
    await Promise.all(sent);
  }

  close(): void {
    for (const node of this.#nodes) node.close();
  }
}
