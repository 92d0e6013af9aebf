import type { LockBackend, Release, ReleaseAnswer } from '../contract/backend.js';
import { type AnyLockError, LockUnavailableError } from '../errors.js';
import { isForGood } from '../calls/is-for-good.js';
import { byPartition } from '../calls/partitions.js';
import type { StoreCalls } from '../calls/store-calls.js';
import { BATCH_GAP_MS } from './deadline.js';
import type { Follower } from './follower.js';
import type { Hold } from './hold.js';
import type { HoldEvents } from './renewal-outbox.js';

type Answers = readonly (boolean | ReleaseAnswer)[];

/** Several that one caller frees. Each other release goes by itself. */
interface ReleaseBatch {
  readonly of: ReadonlySet<Hold>;
  readonly begun: Hold[];
  /** The one in whose course this one began: who hears of a loss may free others. */
  readonly outer: ReleaseBatch | null;
}

/**
 * Sends releases, many with one request: those that a caller waits for at once, those of holds in doubt once a turn, repeated ones
 * with whatever else is due by then. So an outage costs little however many holds are in doubt.
 */
export class ReleaseOutbox {
  readonly #backend: LockBackend;
  readonly #calls: StoreCalls;
  readonly #holds: HoldEvents;
  #batch: ReleaseBatch | null = null;
  #doubtful: Hold[] = [];
  #isFlushPlanned = false;
  #isClosed = false;
  #nextOf: ((hold: Hold) => Follower | null) | null = null;
  #lastBatchAt = Number.NEGATIVE_INFINITY;
  readonly #batchEntry = { dueAt: 0, heapIndex: -1, onDue: () => this.#flushDoubtful() };

  constructor(backend: LockBackend, calls: StoreCalls, holds: HoldEvents) {
    this.#backend = backend;
    this.#calls = calls;
    this.#holds = holds;
  }

  /** Asks `next` which waiter's request goes with a release that a caller waits for. */
  onRelease(next: (hold: Hold) => Follower | null): void {
    this.#nextOf = next;
  }

  /** @param soon what else is due within milliseconds goes with it */
  add(hold: Hold, soon: boolean): void {
    if (hold.state.at === 'releasing') {
      if (this.#batch?.of.has(hold) === true) this.#batch.begun.push(hold);
      else this.#send([hold]);
      return;
    }
    this.#doubtful.push(hold);
    if (soon) {
      const { timers, clock } = this.#calls;
      if (this.#batchEntry.heapIndex < 0) timers.set(this.#batchEntry, Math.max(clock.now(), this.#lastBatchAt + BATCH_GAP_MS));
    } else if (!this.#isFlushPlanned) {
      this.#isFlushPlanned = true;
      queueMicrotask(() => this.#flushDoubtful());
    }
  }

  /** Lets the releases of these go with one request, which `sendBatch` sends. */
  beginBatch(holds: readonly Hold[]): ReleaseBatch {
    this.#batch = { of: new Set(holds), begun: [], outer: this.#batch };
    return this.#batch;
  }

  sendBatch({ begun, outer }: ReleaseBatch): void {
    this.#batch = outer;
    this.#sendAll(begun);
  }

  close(): void {
    this.#isClosed = true;
  }

  #flushDoubtful(): void {
    this.#isFlushPlanned = false;
    this.#lastBatchAt = this.#calls.clock.now();
    const holds = this.#doubtful.filter((hold) => hold.state.at === 'doubtful');
    this.#doubtful = [];
    this.#sendAll(holds);
  }

  #sendAll(holds: readonly Hold[]): void {
    for (const group of byPartition(this.#backend, holds, (hold) => hold.plan.name)) this.#send(group);
  }

  #send(holds: readonly Hold[]): void {
    if (this.#isClosed) return;
    const releases: Release[] = [];
    const followers: (Follower | null)[] = [];
    const wereSettled: boolean[] = [];
    let isFollowed = false;
    for (const hold of holds) {
      const { state, request } = hold;
      const follower = state.at === 'releasing' ? (this.#nextOf?.(hold) ?? null) : null;
      followers.push(follower);
      if (follower !== null) isFollowed = true;
      releases.push(follower === null ? request : { name: request.name, owner: request.owner, mode: request.mode, next: follower.request });
      // A plain answer is final when the release was sent after the granting request had settled.
      wereSettled.push(state.at !== 'doubtful' || state.isSettled);
    }
    this.#calls.start<Answers>(
      'release',
      holds,
      holds.length === 1 ? (holds[0]?.plan.name ?? null) : null,
      this.#calls.commandTimeoutMs,
      (context) => {
        const answers = this.#backend.release(releases, context);
        return isFollowed ? hearing(followers, answers) : answers;
      },
      {
        answered: (answers) => {
          const now = this.#calls.stamp();
          for (const [index, hold] of holds.entries()) {
            const answer = answers[index];
            this.#holds.dispatch(
              hold,
              answer === undefined
                ? { type: 'not-freed', error: this.#missing(hold) }
                : typeof answer === 'boolean'
                  ? { type: 'freed', wasOurs: answer, isFinal: wereSettled[index] === true }
                  : { type: 'freed', wasOurs: answer.wasOurs, isFinal: answer.isFinal },
              now,
            );
          }
        },
        failed: (error) => this.#failed(holds, error as AnyLockError),
      },
    );
  }

  #missing({ plan }: Hold): LockUnavailableError {
    const { name } = this.#backend;
    return new LockUnavailableError(`the ${name} backend answered fewer releases than it was asked for`, {
      backend: name,
      lockName: plan.name,
    });
  }

  #failed(holds: readonly Hold[], error: AnyLockError): void {
    // A batch is refused as a whole, and the reason may lie with one name of it.
    if (holds.length > 1 && isForGood(error)) for (const hold of holds) this.#send([hold]);
    else for (const hold of holds) this.#holds.dispatch(hold, { type: 'not-freed', error });
  }
}

/** Those who follow hear of the answers when the backend gives them, however long the release itself is waited for. */
function hearing(followers: readonly (Follower | null)[], answers: Promise<Answers>): Promise<Answers> {
  answers.then(
    (given) => {
      for (const [index, follower] of followers.entries()) {
        const answer = given[index];
        follower?.answered(typeof answer === 'object' ? answer.next : null);
      }
    },
    (error: unknown) => {
      for (const follower of followers) follower?.failed(error);
    },
  );
  return answers;
}
