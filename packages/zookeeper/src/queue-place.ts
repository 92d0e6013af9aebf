import { randomBytes } from 'node:crypto';
import {
  type Answer,
  type CallContext,
  type Clock,
  type HoldRequest,
  type LostReason,
  LockUnavailableError,
  type Stamp,
} from '@holdfast/core';
import { elapsedSince, stampOf } from '@holdfast/core/backend';
import type { NodeStat } from './create-request.js';
import { nodePrefix, type QueueEntry } from './node-names.js';
import type { ParentNodes } from './parent-nodes.js';
import { blockerOf, hasRoom, isGranted, isWatchedFromAfar, lastInFront, otherLimitOf } from './queue-rules.js';
import { nodeData } from './node-data.js';
import { readQueue } from './read-queue.js';
import { createWatcher, type NodeChange, type Watcher } from './watch-table.js';
import { expiredError, isCode, isUnknown, mayBeDone, unavailable } from './zookeeper-error.js';
import type { ZooKeeperSession } from './zookeeper-session.js';

/** A write that was acknowledged is proof enough of the session for a grant while it is not older than this. */
const FRESH_MS = 1_000;
/** And not older than this part of what was asked for, which counts from that write. */
const FRESH_PART = 20;
/** What a server refused and has to be done is asked for again so much later. */
const AGAIN_MS = 500;
/**
 * A hold that has stood for so long notes how long it had waited: nodes are dated by their requests. Later than most holds end, because it takes a
 * write, and wakes everybody who watches the node.
 */
const NOTE_AFTER_MS = 1000;
/**
 * A hold that has stood for so long has its node watched. A hold that ends before costs neither the request for the watch nor the message of its own
 * removal; that somebody else removes its node is reported so much later.
 */
const WATCH_AFTER_MS = 20;

type Granted = Extract<Answer<bigint>, { granted: true }>;

/** What a place asks of its session. */
export type QueueSession = Pick<
  ZooKeeperSession,
  'id' | 'state' | 'believedMs' | 'written' | 'ready' | 'create' | 'createUnder' | 'remove' | 'setData' | 'getData' | 'getChildren' | 'beat'
>;

export interface PlaceParts {
  readonly session: QueueSession;
  readonly parents: Pick<ParentNodes, 'use' | 'unuse' | 'createChild'>;
  readonly clock: Clock;
  /** It was granted, and is gone without a release. */
  readonly onLost: (request: HoldRequest, reason: LostReason) => void;
  /** Somebody holds permits by another limit than the request. */
  readonly onLimitDiffers: (request: HoldRequest, holdersLimit: number) => void;
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
  readonly #session: QueueSession;
  readonly #parent: string;
  readonly #ownWatcher = createWatcher((change) => this.#ownChanged(change));
  /** Of the one in front, or of all. */
  readonly #frontWatcher = createWatcher((change) => {
    // The one ahead has got its permits, and touched its node.
    this.#isNear ||= change === 'changed' && this.request.mode === 'permits';
    this.#wake();
  });
  readonly #guid = randomBytes(16).toString('hex');
  #answer: Promise<Answer<bigint>> | null = null;
  /** The session that the node was made in; 0 while none was asked for. */
  #sessionId = 0n;
  #entering: Promise<void> | null = null;
  #path: string | null = null;
  /** What is known of the node while its watch stands; null before that, and when the connection has ended. */
  #own: NodeStat | null = null;
  /** How often its watch has reported. */
  #ownChanges = 0;
  /** What the server has said of the node when it was made, for the first look behind that; null from then on. */
  #made: NodeStat | null = null;
  /** The reply to its making was lost: it may be there. */
  #isInDoubt = false;
  /** Somebody else removed it. */
  #isRemoved = false;
  #isGranted = false;
  /** A removal was sent whose reply was lost: if the node is gone, that was us. */
  #isRemovalSent = false;
  /** Why, made when somebody asks: most places end by a release, of which nobody hears but who gave it. */
  #ended: (() => Error) | null = null;
  #left: Promise<boolean> | null = null;
  /** For permits: so few wait in front that this one looks at all who have some. */
  #isNear = false;
  /** When its node was asked for, by the monotonic clock: what the node is dated by comes a little later. */
  #enteredAt = 0;
  /** Since then it stands in line; null where nobody was in its way. */
  #inLineSince: number | null = null;
  /** For how long it stood in line before it was granted. */
  #waitedMs = 0;
  /** Its node is to say something that it does not say yet: to people, or to somebody who watches it from afar, and may be near now. */
  #owesWord = false;
  #noteTimer: { cancel(): void } | null = null;
  #watchTimer: { cancel(): void } | null = null;
  /** Of each of the last in front, while it is next in line. */
  #lastWatchers: readonly Watcher[] = [];
  /** Watches are gone, and with them what is known of those in front. */
  #isUnsure = false;
  #isWoken = false;
  #resume: (() => void) | null = null;

  constructor(parts: PlaceParts, parent: string, request: HoldRequest) {
    this.#parts = parts;
    this.#session = parts.session;
    this.#parent = parent;
    this.request = request;
    parts.parents.use(parent);
  }

  /** What its node belongs to. */
  get session(): QueueSession {
    return this.#session;
  }

  /** Whether a removal of its node would be reported. */
  get isWatched(): boolean {
    return this.#own !== null;
  }

  /** Whether its hold stands, as far as the present session has been notified. */
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
    const onAbort = (): void => this.end(() => call.signal.reason as Error);
    call.signal.addEventListener('abort', onAbort, { once: true });
    if (call.signal.aborted) onAbort();
    try {
      return await this.#leaveUnlessGranted(this.#wait(call));
    } finally {
      call.signal.removeEventListener('abort', onAbort);
    }
  }

  /** Ends a wait. The node is removed by `leave`. */
  end(reason: () => Error): void {
    this.#ended ??= reason;
    this.#wake();
  }

  /** Removes the node, however long that takes. @returns whether that ended a hold of this owner */
  leave(): Promise<boolean> {
    if (this.#left === null) {
      this.end(
        () => new LockUnavailableError('zookeeper: the request was released', { backend: 'zookeeper', lockName: this.request.name }),
      );
      const left = this.#leave();
      this.#left = left;
      left.catch(() => {
        // A server refused. Nobody else may get in while the node stands, so nobody has to ask for this.
        this.#left = null;
        this.#parts.clock.setTimer(AGAIN_MS, () => {
          this.leave().catch(() => {});
        });
      });
    }
    return this.#left;
  }

  /** There is a connection again, to the same session: watches are gone, and what they would have reported. */
  async reconnected(): Promise<void> {
    this.#own = null;
    this.#made = null;
    if (!this.isHeld) {
      this.#isUnsure = true;
      this.#wake();
      return;
    }
    try {
      await this.verify();
    } catch (error) {
      // A server that does not say so much of this node is no reason to keep all others waiting: the next renewal looks.
      if (isUnknown(error)) throw error;
    }
    if (this.#owesWord && this.isHeld) this.#touch();
  }

  /** Looks whether the node of a hold stands, unless a watch would have reported. @throws when the server does not say */
  async verify(): Promise<void> {
    if (this.#own !== null || !this.isHeld) return;
    const own = await this.#readOwn();
    if (own === null) this.#removed();
    else if (!this.#isOurs(own)) this.#lose('forced');
  }

  /** The session is over, and the node with it, or soon. */
  sessionLost(): void {
    // Nothing was asked for yet: it goes on in the next session.
    if (this.#sessionId === 0n) return;
    this.#lose('session');
    this.end(() => expiredError(this.request.name));
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
      throw this.#ended?.() ?? unavailable(error, this.request.name);
    } finally {
      if (!isGranted) this.leave().catch(() => {});
    }
  }

  async #attempt(call: CallContext): Promise<Answer<bigint>> {
    await this.#enter(call);
    const { queue, index, own } = await this.#look();
    return isGranted(queue, index) ? this.#grant({ queue, index }, own) : { granted: false, remainingMs: null };
  }

  async #wait(call: CallContext): Promise<Granted> {
    let stamp = await this.#enterOrFind(call);
    for (;;) {
      this.#throwIfEnded();
      this.#isWoken = false;
      const watchesChildren = this.#isNear;
      try {
        const [proof, { queue, index, own }] = await Promise.all([stamp ?? this.#proof(call), this.#look(watchesChildren)]);
        this.#throwIfEnded();
        if (isGranted(queue, index)) return { ...this.#grant({ queue, index }, own), stamp: proof };
        // When its turn comes, the write that made the node is too long ago.
        stamp = null;
        call.onQueued?.();
        this.#inLineSince ??= this.#enteredAt;
        // It goes on standing there: from here on its removal is reported.
        while (this.#own === null) {
          if ((await this.#readOwn()) === null) throw this.#removedError();
          this.#throwIfEnded();
        }
        const last = lastInFront(queue, index);
        if (last !== null) {
          const isNext = await this.#whenRoom(queue[index] as QueueEntry, last);
          const known = isNext ? await this.#proof(call) : null;
          this.#throwIfEnded();
          // Its own node is watched: it stood when the session last wrote.
          if (known !== null && this.#own !== null) return { ...this.#grant({ queue, index, isOver: true }, this.#own), stamp: known };
          continue;
        }
        const blocker = blockerOf(queue, index);
        if (blocker === null) {
          // It sets that watch before it looks again.
          if (watchesChildren) await this.#sleepUnlessEnded();
          this.#isNear = true;
          continue;
        }
        const { stat } = await this.#session.getData(`${this.#parent}/${blocker.node}`, this.#frontWatcher);
        // It has got its permits, perhaps before our watch was set.
        if (stat.version > 0 && this.request.mode === 'permits' && !watchesChildren) this.#isNear = true;
        else await this.#sleepUnlessEnded();
      } catch (error) {
        stamp = null;
        if (isUnknown(error) && this.#ended === null) await this.#sleep();
        else if (!isCode(error, 'NO_NODE')) throw error;
      }
    }
  }

  /** Until enough of the last in front have left. @returns false where watches are gone, so that the queue has to be looked at */
  async #whenRoom(entry: QueueEntry, last: readonly QueueEntry[]): Promise<boolean> {
    const left = new Set(last);
    this.#isUnsure = false;
    for (const watcher of this.#lastWatchers) watcher.end();
    const watch = async (one: QueueEntry, watcher: Watcher): Promise<void> => {
      try {
        await this.#session.getData(`${this.#parent}/${one.node}`, watcher);
      } catch (error) {
        if (!isCode(error, 'NO_NODE')) throw error;
        left.delete(one);
        this.#wake();
      }
    };
    const watched = last.map((one) => {
      const watcher: Watcher = createWatcher((change) => {
        if (change === 'removed') left.delete(one);
        else {
          // It has its permits, or says for how long it had waited: the watch is used up.
          watch(one, watcher).catch(() => {
            this.#isUnsure = true;
            this.#wake();
          });
        }
        this.#wake();
      });
      return { one, watcher };
    });
    this.#lastWatchers = watched.map(({ watcher }) => watcher);
    await Promise.all(watched.map(({ one, watcher }) => watch(one, watcher)));
    while (!this.#isUnsure && !hasRoom(entry, left)) {
      await this.#sleepUnlessEnded();
      this.#throwIfEnded();
      this.#isWoken = false;
    }
    return !this.#isUnsure;
  }

  /** Looks at the queue, and at the own node if that is neither being watched nor just made. */
  async #look(watchesChildren = false): Promise<{
    readonly queue: readonly QueueEntry[];
    readonly index: number;
    readonly own: NodeStat;
  }> {
    const watcher = watchesChildren ? this.#frontWatcher : undefined;
    const known = this.#own ?? this.#made;
    this.#made = null;
    const [queue, own] = await Promise.all([readQueue(this.#session, this.#parent, watcher), known ?? this.#readOwn()]);
    this.#throwIfEnded();
    const index = queue.findIndex(({ guid }) => guid === this.#guid);
    if (index < 0 || own === null) throw this.#removedError();
    const otherLimit = otherLimitOf(queue, this.request);
    if (otherLimit !== null) this.#parts.onLimitDiffers(this.request, otherLimit);
    return { queue, index, own };
  }

  /**
   * Its turn came by a watch, long after it came here: only a fresh write shows that the session still stands. The session's last one
   * will do, while it is young; otherwise one goes out beside the look at the queue, and a removal of the node before that
   * write is reported before its answer.
   *
   * @returns from before the write
   */
  async #proof(call: CallContext): Promise<Stamp> {
    const { written, believedMs } = this.#session;
    const freshMs = Math.min(FRESH_MS, Math.min(this.request.ttlMs, believedMs) / FRESH_PART);
    if (written !== null && elapsedSince(call.clock, written) < freshMs) return written;
    const stamp = stampOf(call.clock);
    await this.#session.beat();
    return stamp;
  }

  /** @param look the last look at the queue; over where the grant came by watches, later than the look */
  #grant(look: { readonly queue: readonly QueueEntry[]; readonly index: number; readonly isOver?: boolean }, own: NodeStat): Granted {
    // A node of a session that has ended may stand for a while, and would go under its holder's feet.
    if (!this.#isOurs(own)) throw expiredError(this.request.name);
    this.#isGranted = true;
    if (this.#own === null) this.#watchIn(WATCH_AFTER_MS);
    if (this.#inLineSince !== null) {
      this.#waitedMs = Math.round(this.#parts.clock.now() - this.#inLineSince);
      this.#noteTimer = this.#parts.clock.setTimer(NOTE_AFTER_MS, () => this.#noteWait());
    }
    // Somebody further back watches it: that one is near now. The one who came after the look that granted has seen that by itself.
    if (this.request.mode === 'permits') {
      if (isWatchedFromAfar(look.queue, look.index)) this.#touch();
      else if (look.isOver === true) this.#touchIfWatched();
    }
    return { granted: true, fencingToken: own.czxid };
  }

  /** Nobody waits for this look: who came after the last one may watch this node from afar. */
  #touchIfWatched(): void {
    this.#owesWord = true;
    readQueue(this.#session, this.#parent).then(
      (queue) => {
        this.#owesWord = false;
        const index = queue.findIndex(({ guid }) => guid === this.#guid);
        if (index >= 0 && this.isHeld && isWatchedFromAfar(queue, index)) this.#touch();
      },
      (error: unknown) => {
        // With the next connection. Where the server says nothing of the queue, those behind hear of the end of the node.
        this.#owesWord = isUnknown(error);
      },
    );
  }

  /** Writes the node, which wakes those who watch it. */
  #touch(): void {
    this.#owesWord = true;
    this.#session.setData(this.#path ?? '', nodeData(this.request, this.#waitedMs)).then(
      () => {
        this.#owesWord = false;
      },
      (error: unknown) => {
        // With the next connection again. A node that is gone has notified them by that.
        if (isUnknown(error) || isCode(error, 'NO_NODE')) return;
        this.#parts.clock.setTimer(AGAIN_MS, () => {
          if (this.isHeld) this.#touch();
        });
      },
    );
  }

  /** For people: a server that refuses is not asked again. */
  #noteWait(): void {
    if (!this.isHeld || this.#owesWord) return;
    this.#session.setData(this.#path ?? '', nodeData(this.request, this.#waitedMs)).catch((error: unknown) => {
      // With the next connection.
      this.#owesWord = isUnknown(error);
    });
  }

  #watchIn(ms: number): void {
    this.#watchTimer = this.#parts.clock.setTimer(ms, () => {
      // A connection that does not serve yet may lead to a server that lags; when it does, it looks.
      if (this.#session.state !== 'connected') return;
      this.verify().catch((error: unknown) => {
        if (!isUnknown(error) && this.isHeld) this.#watchIn(AGAIN_MS);
      });
    });
  }

  #isOurs({ ephemeralOwner }: NodeStat): boolean {
    return ephemeralOwner === this.#session.id && ephemeralOwner === this.#sessionId;
  }

  #throwIfEnded(): void {
    if (this.#ended !== null) throw this.#ended();
    if (this.#isRemoved) throw this.#removedError();
  }

  #removedError(): LockUnavailableError {
    return new LockUnavailableError('zookeeper: somebody removed the request from the queue', {
      backend: 'zookeeper',
      lockName: this.request.name,
    });
  }

  /** Reads the own node and from then on hears of its removal. @returns null when it has been removed */
  async #readOwn(): Promise<NodeStat | null> {
    try {
      const changes = this.#ownChanges;
      const { stat } = await this.#session.getData(this.#path ?? '', this.#ownWatcher);
      // A change that came right behind the answer has used the watch up.
      if (changes === this.#ownChanges) this.#own = stat;
      return stat;
    } catch (error) {
      if (isCode(error, 'NO_NODE')) return null;
      throw error;
    }
  }

  #ownChanged(change: NodeChange): void {
    if (this.#left !== null) return;
    // The watch is used up.
    this.#own = null;
    this.#ownChanges += 1;
    if (change === 'removed') this.#removed();
    // Touched by ourselves at a grant, or by somebody else. What is not answered now is asked again with the next renewal.
    else if (this.isHeld) this.verify().catch(() => {});
    else {
      this.#isUnsure = true;
      this.#wake();
    }
  }

  #removed(): void {
    if (this.#isGranted) this.#lose('forced');
    else this.end(() => this.#removedError());
    this.#isRemoved = true;
  }

  #lose(reason: LostReason): void {
    if (!this.#isGranted || this.#isRemoved || this.#ended !== null) return;
    if (reason === 'forced') this.#isRemoved = true;
    this.#ended = () => expiredError(this.request.name);
    this.#parts.onLost(this.request, reason);
    this.leave().catch(() => {});
  }

  /** Makes the node. @returns from before it was asked for */
  async #enter(call: CallContext): Promise<Stamp> {
    let entered!: () => void;
    this.#entering = new Promise((resolve) => {
      entered = resolve;
    });
    try {
      await this.#session.ready(call.timeoutMs);
      this.#throwIfEnded();
      this.#sessionId = this.#session.id;
      const stamp = stampOf(call.clock);
      this.#enteredAt = this.#parts.clock.now();
      const made = await this.#parts.parents.createChild(
        this.#session,
        this.#parent,
        nodePrefix(this.#guid, this.request),
        nodeData(this.request),
      );
      this.#path = made.path;
      this.#made = made.stat;
      this.#throwIfEnded();
      return stamp;
    } catch (error) {
      this.#isInDoubt = mayBeDone(error);
      throw error;
    } finally {
      entered();
    }
  }

  /** As `#enter`; one whose reply is lost is looked for when there is a connection again, and keeps its place in line. */
  async #enterOrFind(call: CallContext): Promise<Stamp | null> {
    for (;;) {
      try {
        if (this.#isInDoubt) {
          await this.#sleep();
          this.#throwIfEnded();
          this.#isWoken = false;
          if (this.#sessionId !== this.#session.id) throw expiredError(this.request.name);
          this.#path = await this.#find();
        }
        return this.#path === null ? await this.#enter(call) : null;
      } catch (error) {
        if (!isUnknown(error) || !this.#isInDoubt || this.#ended !== null) throw error;
      }
    }
  }

  async #leave(): Promise<boolean> {
    this.#ownWatcher.end();
    this.#frontWatcher.end();
    for (const watcher of this.#lastWatchers) watcher.end();
    this.#noteTimer?.cancel();
    this.#watchTimer?.cancel();
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
        this.#isRemovalSent ||= this.#path !== null && error.isSent;
        await this.#sleep();
      }
    }
  }

  /** Looks for the node by its GUID. Behind a write: this server then knows all that any server took from us before. */
  async #find(): Promise<string | null> {
    await this.#session.beat();
    const found = (await readQueue(this.#session, this.#parent)).find(({ guid }) => guid === this.#guid);
    this.#isInDoubt = found !== undefined;
    return found === undefined ? null : `${this.#parent}/${found.node}`;
  }

  #wake(): void {
    this.#isWoken = true;
    this.#resume?.();
    this.#resume = null;
  }

  /** For a wait: what ends it may have come while an answer was waited for, and the release behind that takes the wake-up for its own. */
  #sleepUnlessEnded(): Promise<void> {
    this.#throwIfEnded();
    return this.#sleep();
  }

  /** Until the next wake-up; at once if there was one since the queue was looked at. */
  #sleep(): Promise<void> {
    if (this.#isWoken) return Promise.resolve();
    return new Promise((resolve) => {
      this.#resume = resolve;
    });
  }
}
