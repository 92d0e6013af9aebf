import { randomBytes } from 'node:crypto';
import { type Answer, type CallContext, type HoldRequest, type LostReason, LockUnavailableError, type Stamp } from '@holdfast/core';
import { nodePrefix } from './node-names.js';
import type { ParentNodes } from './parent-nodes.js';
import { blockerOf, isGranted } from './queue-rules.js';
import { nodeData } from './node-data.js';
import { readQueue } from './read-queue.js';
import { expiredError, isCode, isUnknown, unavailable } from './zookeeper-error.js';
import type { NodeChange, NodeStat, ZooKeeperSession } from './zookeeper-session.js';

type Granted = Extract<Answer<bigint>, { granted: true }>;

export interface PlaceParts {
  readonly session: ZooKeeperSession;
  readonly parents: ParentNodes;
  /** It was granted, and is gone without a release. */
  readonly onLost: (request: HoldRequest, reason: LostReason) => void;
  /** Nothing is left of it, on the server or here. */
  readonly onGone: (place: QueuePlace) => void;
}

/**
 * One request: a node in the queue of its name, from before it is made until it is certainly gone. The node belongs to
 * one session and is never believed in under another.
 */
export class QueuePlace {
  readonly request: HoldRequest;
  readonly #parts: PlaceParts;
  readonly #session: ZooKeeperSession;
  readonly #parent: string;
  readonly #guid = randomBytes(16).toString('hex');
  #answer: Promise<Answer<bigint>> | null = null;
  /** The session that the node was made in; 0 while none was asked for. */
  #sessionId = 0n;
  #entering: Promise<void> | null = null;
  #path: string | null = null;
  /** The reply to its making was lost: it may be there. */
  #isInDoubt = false;
  /** Somebody else removed it. */
  #isRemoved = false;
  #isGranted = false;
  /** A removal was sent whose reply was lost: if the node is gone, that was us. */
  #isRemovalSent = false;
  #ended: Error | null = null;
  #left: Promise<boolean> | null = null;
  #isWoken = false;
  #resume: (() => void) | null = null;

  constructor(parts: PlaceParts, parent: string, request: HoldRequest) {
    this.#parts = parts;
    this.#session = parts.session;
    this.#parent = parent;
    this.request = request;
    parts.parents.use(parent);
  }

  /** Whether its hold stands, as far as the present session has been told. */
  get isHeld(): boolean {
    return this.#isGranted && !this.#isRemoved && this.#ended === null && this.#sessionId === this.#session.id;
  }

  /** One attempt; asked again, the same answer. Unless granted it leaves by itself. */
  attempt(call: CallContext): Promise<Answer<bigint>> {
    this.#answer ??= this.#leaveUnlessGranted(this.#attempt(call));
    return this.#answer;
  }

  /** Stands in line until it is granted, the call is aborted, or the session is gone. */
  async wait(call: CallContext): Promise<Granted> {
    const onAbort = (): void => this.end(call.signal.reason as Error);
    call.signal.addEventListener('abort', onAbort, { once: true });
    if (call.signal.aborted) onAbort();
    try {
      return await this.#leaveUnlessGranted(this.#wait(call));
    } finally {
      call.signal.removeEventListener('abort', onAbort);
    }
  }

  /** Ends a wait. The node is removed by `leave`. */
  end(error: Error): void {
    this.#ended ??= error;
    this.#wake();
  }

  /** Removes the node, however long that takes. @returns whether that ended a hold of this owner */
  leave(): Promise<boolean> {
    if (this.#left === null) {
      this.end(new LockUnavailableError('zookeeper: the request was released', { backend: 'zookeeper', lockName: this.request.name }));
      const left = this.#leave();
      this.#left = left;
      left.catch(() => {
        // The server refused for good. Whoever asks again tries again.
        this.#left = null;
      });
    }
    return this.#left;
  }

  /** There is a connection again, to the same session: watches are gone, and what they would have told. */
  async reconnected(): Promise<void> {
    if (!this.isHeld || this.#path === null) {
      this.#wake();
      return;
    }
    try {
      this.#checkOwner(await this.#readOwn(this.#path));
    } catch (error) {
      if (isUnknown(error)) throw error;
      this.#lose('forced');
    }
  }

  /** The session is over, and the node with it, or soon. */
  sessionLost(): void {
    // Nothing was asked for yet: it goes on in the next session.
    if (this.#sessionId === 0n) return;
    this.#lose('session');
    this.end(expiredError(this.request.name));
    this.leave().catch(() => {});
    this.#wake();
  }

  async #leaveUnlessGranted<A extends Answer<bigint>>(answer: Promise<A>): Promise<A> {
    let isGranted = false;
    try {
      const given = await answer;
      isGranted = given.granted;
      return given;
    } catch (error) {
      throw this.#ended ?? unavailable(error, this.request.name);
    } finally {
      if (!isGranted) this.leave().catch(() => {});
    }
  }

  async #attempt(call: CallContext): Promise<Answer<bigint>> {
    const path = await this.#enter(call.timeoutMs);
    const [queue, own] = await Promise.all([readQueue(this.#session, this.#parent), this.#readOwn(path)]);
    this.#throwIfEnded();
    if (!isGranted(queue, this.#indexIn(queue))) return { granted: false, remainingMs: null };
    return this.#grant(own);
  }

  async #wait(call: CallContext): Promise<Granted> {
    await this.#enterOrFind(call.timeoutMs);
    for (let watchesChildren = false; ; ) {
      this.#throwIfEnded();
      this.#isWoken = false;
      try {
        const queue = await readQueue(this.#session, this.#parent, watchesChildren ? () => this.#wake() : undefined);
        const index = this.#indexIn(queue);
        if (isGranted(queue, index)) return await this.#confirm(call);
        call.onQueued?.();
        const blocker = blockerOf(queue, index);
        if (blocker === null) {
          // The first that waits for permits looks at all who have some; it sets that watch before it looks again.
          if (watchesChildren) await this.#sleep();
          watchesChildren = true;
          continue;
        }
        const { stat } = await this.#session.getData(`${this.#parent}/${blocker.node}`, () => this.#wake());
        // One that was granted after a wait has touched its node, perhaps before our watch was set.
        const isPassedOn = this.request.mode === 'permits' && stat.version > 0 && !watchesChildren;
        if (isPassedOn) watchesChildren = true;
        else await this.#sleep();
      } catch (error) {
        if (isUnknown(error) && this.#ended === null) await this.#sleep();
        else if (!isCode(error, 'NO_NODE')) throw error;
      }
    }
  }

  /** Its turn came by a watch, long after it came here: only a fresh write shows that the session still stands. */
  async #confirm(call: CallContext): Promise<Granted> {
    const path = this.#path ?? '';
    const stamp: Stamp = { now: call.clock.now(), wall: call.clock.wall() };
    // For permits on its own node: that tells the next in line that it is the first now.
    const isTouching = this.request.mode === 'permits';
    const written = isTouching ? this.#session.setData(path, nodeData(this.request)) : this.#session.beat();
    const [, own] = await Promise.all([written, this.#readOwn(path)]);
    this.#throwIfEnded();
    return { ...this.#grant(own), stamp };
  }

  #grant(own: NodeStat): Granted {
    this.#checkOwner(own);
    this.#isGranted = true;
    return { granted: true, fencingToken: own.czxid };
  }

  /** A node of a session that has ended may stand for a while, and would go under its holder's feet. */
  #checkOwner({ ephemeralOwner }: NodeStat): void {
    if (ephemeralOwner !== this.#session.id || ephemeralOwner !== this.#sessionId) throw expiredError(this.request.name);
  }

  #throwIfEnded(): void {
    if (this.#ended !== null) throw this.#ended;
    if (this.#isRemoved) throw this.#removedError();
  }

  #removedError(): LockUnavailableError {
    return new LockUnavailableError('zookeeper: somebody removed the request from the queue', {
      backend: 'zookeeper',
      lockName: this.request.name,
    });
  }

  #indexIn(queue: Awaited<ReturnType<typeof readQueue>>): number {
    const index = queue.findIndex(({ guid }) => guid === this.#guid);
    if (index < 0) throw this.#removedError();
    return index;
  }

  /** Reads the own node and from then on hears of its removal. */
  async #readOwn(path: string): Promise<NodeStat> {
    try {
      return (await this.#session.getData(path, (change) => this.#ownChanged(path, change))).stat;
    } catch (error) {
      throw isCode(error, 'NO_NODE') ? this.#removedError() : error;
    }
  }

  #ownChanged(path: string, change: NodeChange): void {
    if (this.#left !== null) return;
    if (change === 'removed') {
      if (this.#isGranted) this.#lose('forced');
      else this.end(this.#removedError());
      this.#isRemoved = true;
    } else {
      // Touched by ourselves at a grant, or by somebody else: the watch is used up.
      this.#readOwn(path).catch((error: unknown) => {
        if (!isUnknown(error)) this.#ownChanged(path, 'removed');
      });
    }
  }

  #lose(reason: LostReason): void {
    if (!this.#isGranted || this.#isRemoved || this.#ended !== null) return;
    if (reason === 'forced') this.#isRemoved = true;
    this.#ended = expiredError(this.request.name);
    this.#parts.onLost(this.request, reason);
  }

  async #enter(withinMs: number): Promise<string> {
    let entered!: () => void;
    this.#entering = new Promise((resolve) => {
      entered = resolve;
    });
    try {
      await this.#session.ready(withinMs);
      this.#throwIfEnded();
      this.#sessionId = this.#session.id;
      this.#path = await this.#parts.parents.createChild(this.#parent, nodePrefix(this.#guid, this.request), nodeData(this.request));
      this.#throwIfEnded();
      return this.#path;
    } catch (error) {
      this.#isInDoubt = isUnknown(error);
      throw error;
    } finally {
      entered();
    }
  }

  /** As `#enter`; one whose reply is lost is looked for when there is a connection again, and keeps its place in line. */
  async #enterOrFind(withinMs: number): Promise<void> {
    for (let isFound = false; !isFound; ) {
      try {
        if (this.#isInDoubt) {
          await this.#sleep();
          this.#throwIfEnded();
          this.#isWoken = false;
          if (this.#sessionId !== this.#session.id) throw expiredError(this.request.name);
          this.#path = await this.#find();
        }
        if (this.#path === null) await this.#enter(withinMs);
        isFound = true;
      } catch (error) {
        if (!this.#isInDoubt || !isUnknown(error) || this.#ended !== null) throw error;
      }
    }
  }

  async #leave(): Promise<boolean> {
    await this.#entering;
    const freed = await this.#remove();
    this.#parts.parents.unuse(this.#parent);
    this.#parts.onGone(this);
    return freed && this.#isGranted;
  }

  async #remove(): Promise<boolean> {
    for (;;) {
      if (this.#isRemoved || (this.#path === null && !this.#isInDoubt)) return false;
      if (this.#sessionId !== this.#session.id) return this.#isRemovalSent;
      this.#isWoken = false;
      try {
        this.#path ??= await this.#find();
        if (this.#path === null) return false;
        await this.#session.remove(this.#path);
        return true;
      } catch (error) {
        if (isCode(error, 'NO_NODE')) return this.#isRemovalSent;
        if (!isUnknown(error)) throw unavailable(error, this.request.name);
        this.#isRemovalSent = this.#path !== null;
        await this.#sleep();
      }
    }
  }

  /** Looks for the node by its GUID. Behind a write: this server then knows all that any server took from us before. */
  async #find(): Promise<string | null> {
    await this.#session.beat();
    const nodes = await this.#session.getChildren(this.#parent);
    const node = nodes.find((name) => name.startsWith(this.#guid));
    this.#isInDoubt = node !== undefined;
    return node === undefined ? null : `${this.#parent}/${node}`;
  }

  #wake(): void {
    this.#isWoken = true;
    this.#resume?.();
    this.#resume = null;
  }

  /** Until the next wake-up; at once if there was one since the queue was looked at. */
  #sleep(): Promise<void> {
    if (this.#isWoken) return Promise.resolve();
    return new Promise((resolve) => {
      this.#resume = resolve;
    });
  }
}
