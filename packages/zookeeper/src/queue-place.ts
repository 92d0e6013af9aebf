import type { Answer, CallContext, Clock, HoldRequest, LostReason } from '@holdfast/core';
import { HeldNode } from './held-node.js';
import { LineWait, type QueueLook, type Turn } from './line-wait.js';
import type { ParentNodes } from './parent-nodes.js';
import { isGranted, otherLimitOf } from './queue-rules.js';
import { readQueue } from './read-queue.js';
import { RequestNode } from './request-node.js';
import type { Watcher } from './watch-table.js';
import { expiredError, isUnknown, releasedError, removedError, unavailable } from './zookeeper-error.js';
import type { ZooKeeperSession } from './zookeeper-session.js';

/** A node whose removal a server refused is removed so much later. */
const AGAIN_MS = 500;

type Granted = Extract<Answer<bigint>, { granted: true }>;

/** What a place asks of its session. */
export type QueueSession = Pick<
  ZooKeeperSession,
  'id' | 'state' | 'believedMs' | 'written' | 'ready' | 'create' | 'createUnder' | 'remove' | 'setData' | 'getData' | 'getChildren' | 'beat'
>;

export interface PlaceParts {
  readonly session: QueueSession;
  readonly parents: Pick<ParentNodes, 'use' | 'unuse' | 'createChild' | 'prove'>;
  readonly clock: Clock;
  /** It was granted, and is gone without a release. */
  readonly onLost: (request: HoldRequest, reason: LostReason) => void;
  /** Somebody holds permits by another limit than the request. */
  readonly onLimitDiffers: (request: HoldRequest, holdersLimit: number) => void;
  /** Nothing is left of it, on the server or here. */
  readonly onGone: (place: QueuePlace) => void;
}

type Life =
  | { readonly is: 'asking' }
  | { readonly is: 'held'; readonly hold: HeldNode }
  /** The reason is made when somebody asks: most places end by a release, of which nobody hears but who gave it. */
  | { readonly is: 'over'; readonly why: () => Error; readonly wasHeld: boolean };

/** One request: asks for its turn, is granted, and ends; `RequestNode` is its node, which may outlast its end. */
export class QueuePlace {
  readonly request: HoldRequest;
  /** What its node belongs to. */
  readonly session: QueueSession;
  readonly #parts: PlaceParts;
  readonly #parent: string;
  readonly #node: RequestNode;
  readonly #line: LineWait;
  #life: Life = { is: 'asking' };
  #answer: Promise<Answer<bigint>> | null = null;
  #left: Promise<boolean> | null = null;
  /** A server refused the removal: a timer is to try it again. */
  #leavesAgain = false;

  constructor(parts: PlaceParts, parent: string, request: HoldRequest) {
    const { session, parents } = parts;
    const throwIfOver = (): void => this.#throwIfOver();
    this.#parts = parts;
    this.session = session;
    this.#parent = parent;
    this.request = request;
    this.#node = new RequestNode({
      session,
      parents,
      parent,
      request,
      throwIfOver,
      onRemoved: () => this.#removed(),
      onChanged: () => this.#changed(),
    });
    const look = (watcher?: Watcher): Promise<QueueLook> => this.#look(watcher);
    this.#line = new LineWait({ session, parent, request, node: this.#node, look, throwIfOver });
    parents.use(parent);
  }

  /** Whether a removal of its node would be reported. */
  get isWatched(): boolean {
    return this.#node.watched !== null;
  }

  /** Whether its hold stands, as far as the present session has been notified. */
  get isHeld(): boolean {
    return this.#life.is === 'held' && this.#node.isOfPresentSession;
  }

  /** One attempt; asked again, the same answer for as long as that is true. Unless granted it leaves by itself. */
  async attempt(call: CallContext): Promise<Answer<bigint>> {
    this.#answer ??= this.#leaveUnlessGranted(this.#attempt(call));
    const answer = await this.#answer;
    if (answer.granted) this.#throwIfOver();
    return answer;
  }

  /** Stands in line until it is granted, the call is aborted, or the session is gone. */
  async wait(call: CallContext): Promise<Granted> {
    const onAbort = (): void => {
      // Behind the grant it is too late: the one who called has a hold to release.
      if (this.#life.is === 'asking') this.end(() => call.signal.reason as Error);
    };
    call.signal.addEventListener('abort', onAbort, { once: true });
    if (call.signal.aborted) onAbort();
    try {
      return await this.#leaveUnlessGranted(this.#wait(call));
    } finally {
      call.signal.removeEventListener('abort', onAbort);
    }
  }

  /** Ends the request. The node is removed by `leave`. */
  end(why: () => Error): void {
    const life = this.#life;
    if (life.is !== 'over') this.#life = { is: 'over', why, wasHeld: life.is === 'held' };
    if (life.is === 'held') life.hold.end();
    this.#line.end();
    this.#node.leaveAlone();
  }

  /** Removes the node, however long that takes. @returns whether that ended a hold of this owner */
  leave(): Promise<boolean> {
    if (this.#left === null) {
      this.end(() => releasedError(this.request.name));
      const left = this.#leave();
      this.#left = left;
      left.catch(() => {
        // A server refused. Nobody else may get in while the node stands, so nobody has to ask for this.
        this.#left = null;
        if (this.#leavesAgain) return;
        this.#leavesAgain = true;
        this.#parts.clock.setTimer(AGAIN_MS, () => {
          this.#leavesAgain = false;
          this.leave().catch(() => {});
        });
      });
    }
    return this.#left;
  }

  /** There is a connection again, to the same session: watches are gone, and what they would have reported. */
  async reconnected(): Promise<void> {
    this.#node.reconnected();
    if (!this.isHeld) {
      this.#line.lookAgain();
      return;
    }
    try {
      await this.verify();
    } catch (error) {
      // A server that does not say so much of this node is no reason to keep all others waiting: the next renewal looks.
      if (isUnknown(error)) throw error;
    }
    if (this.#life.is === 'held') this.#life.hold.reconnected();
  }

  /** Looks whether the node of a hold stands, unless a watch would have reported. @throws when the server does not say */
  async verify(): Promise<void> {
    if (this.isWatched || !this.isHeld) return;
    const own = await this.#node.read();
    if (own === null || !this.#node.isOurs(own)) this.#removed();
  }

  /** The session is over, and the node with it, or soon. */
  sessionLost(): void {
    // Nothing was asked for yet: it goes on in the next session.
    if (!this.#node.isAsked) return;
    this.#lose('session');
    this.end(() => expiredError(this.request.name));
    this.leave().catch(() => {});
  }

  async #leaveUnlessGranted<A extends Answer<bigint>>(answer: Promise<A>): Promise<A> {
    let isGranted = false;
    try {
      const given = await answer;
      // It may have ended behind the grant.
      if (given.granted) this.#throwIfOver();
      isGranted = given.granted;
      return given;
    } catch (error) {
      this.#throwIfOver();
      throw unavailable(error, this.request.name);
    } finally {
      if (!isGranted) this.leave().catch(() => {});
    }
  }

  async #attempt(call: CallContext): Promise<Answer<bigint>> {
    await this.#node.make(call);
    const look = await this.#look();
    if (!isGranted(look.queue, look.index)) return { granted: false, remainingMs: null };
    return this.#grant({ ...look, isLater: false, waitedMs: null });
  }

  async #wait(call: CallContext): Promise<Granted> {
    const turn = await this.#line.untilTurn(call);
    return { ...this.#grant(turn), stamp: turn.stamp };
  }

  async #look(watcher?: Watcher): Promise<QueueLook> {
    const [queue, own] = await Promise.all([readQueue(this.session, this.#parent, watcher), this.#node.look()]);
    this.#throwIfOver();
    const index = this.#node.indexIn(queue);
    if (index < 0 || own === null) throw removedError(this.request.name);
    const otherLimit = otherLimitOf(queue, this.request);
    if (otherLimit !== null) this.#parts.onLimitDiffers(this.request, otherLimit);
    return { queue, index, own };
  }

  #grant(turn: Omit<Turn, 'stamp'>): Granted {
    this.#throwIfOver();
    if (!this.#node.isOurs(turn.own)) throw expiredError(this.request.name);
    const { session, clock } = this.#parts;
    const verify = (): Promise<void> => this.verify();
    const isHeld = (): boolean => this.isHeld;
    const hold = new HeldNode(
      { session, parent: this.#parent, request: this.request, clock, node: this.#node, verify, isHeld },
      turn.waitedMs,
    );
    this.#life = { is: 'held', hold };
    if (this.request.mode === 'permits') hold.passTurnOn(turn);
    return { granted: true, fencingToken: turn.own.czxid };
  }

  #throwIfOver(): void {
    if (this.#life.is === 'over') throw this.#life.why();
  }

  /** Its node was written: by itself at a grant, or by somebody else. What is not answered now is asked again with the next renewal. */
  #changed(): void {
    if (this.isHeld) this.verify().catch(() => {});
    else this.#line.lookAgain();
  }

  /** Somebody else removed its node. */
  #removed(): void {
    if (this.#life.is === 'held') this.#lose('forced');
    else this.end(() => removedError(this.request.name));
  }

  #lose(reason: LostReason): void {
    if (this.#life.is !== 'held') return;
    this.end(() => expiredError(this.request.name));
    this.#parts.onLost(this.request, reason);
    this.leave().catch(() => {});
  }

  async #leave(): Promise<boolean> {
    const isRemoved = await this.#node.remove();
    this.#parts.parents.unuse(this.#parent);
    this.#parts.onGone(this);
    return isRemoved && this.#life.is === 'over' && this.#life.wasHeld;
  }
}
