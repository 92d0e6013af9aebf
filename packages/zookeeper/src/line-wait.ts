import type { CallContext, Clock, HoldRequest, Stamp } from '@holdfast/core';
import type { NodeStat } from './create-request.js';
import type { QueueEntry } from './node-names.js';
import { blockerOf, isGranted, lastInFront } from './queue-rules.js';
import type { RequestNode } from './request-node.js';
import { RoomWatch } from './room-watch.js';
import { proofOf } from './session-proof.js';
import { WakeUp } from './wake-up.js';
import { createWatcher, type Watcher } from './watch-table.js';
import { isCode, isUnknown, removedError } from './zookeeper-error.js';
import type { ZooKeeperSession } from './zookeeper-session.js';

/** The queue as it was seen, and the request in it. */
export interface QueueLook {
  readonly queue: readonly QueueEntry[];
  readonly index: number;
  /** The record of the request's node. */
  readonly own: NodeStat;
}

/** The request has what it asks for. */
export interface Turn extends QueueLook {
  /** From before a write that shows that the session stood. */
  readonly stamp: Stamp;
  /** The look is older than the turn, which came by watches alone. */
  readonly isLater: boolean;
  /** For how long the request stood in line, in milliseconds; null where nobody was in its way. */
  readonly waitedMs: number | null;
}

export interface LineWaitParts {
  readonly session: Pick<ZooKeeperSession, 'written' | 'believedMs' | 'getData' | 'beat'>;
  readonly parent: string;
  readonly request: HoldRequest;
  readonly node: RequestNode;
  /** Looks at the queue and the own node. Throws where the request is over. */
  readonly look: (watcher: Watcher | undefined) => Promise<QueueLook>;
  readonly throwIfOver: () => void;
}

/** A request that stands in line: what it looks at, whom it watches, and what wakes it. */
export class LineWait {
  readonly #parts: LineWaitParts;
  readonly #wakeUp = new WakeUp();
  /** Of the one in front, or of all. */
  readonly #frontWatcher = createWatcher((change) => {
    // The one ahead has got its permits, and touched its node.
    this.#isNear ||= change === 'changed' && this.#parts.request.mode === 'permits';
    this.#wakeUp.wake();
  });
  /** For permits: so few wait in front that this one looks at all who have some. */
  #isNear = false;
  /** While it is next in line. */
  #room: RoomWatch | null = null;
  /** Since when it stands in line: since its node was asked for, as what the node is dated by comes a little later. null where nobody was in its way. */
  #inLineSince: number | null = null;

  constructor(parts: LineWaitParts) {
    this.#parts = parts;
  }

  /** @throws when the request is over, a server refuses, or the session is gone */
  async untilTurn(call: CallContext): Promise<Turn> {
    const { session, parent, request, node, look, throwIfOver } = this.#parts;
    const proof = (): Promise<Stamp> => proofOf(session, request.ttlMs, call.clock);
    let stamp = await node.makeOrFind(call);
    const askedAt = stamp?.now ?? call.clock.now();
    for (;;) {
      throwIfOver();
      this.#wakeUp.reset();
      const watchesChildren = this.#isNear;
      try {
        const [written, seen] = await Promise.all([stamp ?? proof(), look(watchesChildren ? this.#frontWatcher : undefined)]);
        throwIfOver();
        const { queue, index } = seen;
        if (isGranted(queue, index)) return this.#turn(seen, written, call.clock);
        // When its turn comes, the write that made the node is too long ago.
        stamp = null;
        call.onQueued?.();
        this.#inLineSince ??= askedAt;
        // It goes on standing there: from here on its removal is reported.
        while (node.watched === null) {
          if ((await node.read()) === null) throw removedError(request.name);
          throwIfOver();
        }
        const last = lastInFront(queue, index);
        if (last !== null) {
          const isNext = await this.#whenRoom(queue[index] as QueueEntry, last);
          const known = isNext ? await proof() : null;
          throwIfOver();
          // Its own node is watched: it stood when the session last wrote.
          if (known !== null && node.watched !== null) return this.#turn({ queue, index, own: node.watched }, known, call.clock, true);
          continue;
        }
        const blocker = blockerOf(queue, index);
        if (blocker === null) {
          // It sets that watch before it looks again.
          if (watchesChildren) await this.#wakeUp.sleep();
          this.#isNear = true;
          continue;
        }
        const { stat } = await session.getData(`${parent}/${blocker.node}`, this.#frontWatcher);
        // It has got its permits, perhaps before our watch was set.
        if (stat.version > 0 && request.mode === 'permits' && !watchesChildren) this.#isNear = true;
        else await this.#wakeUp.sleep();
      } catch (error) {
        stamp = null;
        if (isUnknown(error)) await this.#wakeUp.sleep();
        else if (!isCode(error, 'NO_NODE')) throw error;
      }
    }
  }

  /** Watches are gone, or do not say all: the queue has to be looked at. */
  lookAgain(): void {
    this.#room?.becomeUnsure();
    this.#wakeUp.wake();
  }

  /** The request is over, which it is to hear of. */
  end(): void {
    this.#frontWatcher.end();
    this.#room?.end();
    this.#wakeUp.wake();
  }

  /** Until enough of the last in front have left. @returns false where watches are gone, so that the queue has to be looked at */
  async #whenRoom(entry: QueueEntry, last: readonly QueueEntry[]): Promise<boolean> {
    this.#room?.end();
    const room = new RoomWatch(this.#parts.session, this.#parts.parent, this.#wakeUp);
    this.#room = room;
    await room.watch(last);
    while (!room.isUnsure && !room.hasRoomFor(entry)) {
      await this.#wakeUp.sleep();
      this.#parts.throwIfOver();
      this.#wakeUp.reset();
    }
    return !room.isUnsure;
  }

  #turn(look: QueueLook, stamp: Stamp, clock: Clock, isLater = false): Turn {
    this.#room?.end();
    const waitedMs = this.#inLineSince === null ? null : Math.round(clock.now() - this.#inLineSince);
    return { ...look, stamp, isLater, waitedMs };
  }
}
