import type { Clock, HoldRequest } from '@holdfast/core';
import type { Turn } from './line-wait.js';
import { nodeData } from './node-data.js';
import { isWatchedFromAfar } from './queue-rules.js';
import { readQueue } from './read-queue.js';
import type { RequestNode } from './request-node.js';
import { isCode, isUnknown } from './zookeeper-error.js';
import type { ZooKeeperSession } from './zookeeper-session.js';

/**
 * A hold that has stood for so long has its node watched. A hold that ends before costs neither the request for the watch nor the message of its own
 * removal; that somebody else removes its node is reported so much later.
 */
const WATCH_AFTER_MS = 20;
/**
 * A hold that has stood for so long notes how long it had waited: nodes are dated by their requests. Later than most holds end, because it takes a
 * write, and wakes everybody who watches the node.
 */
const NOTE_AFTER_MS = 1000;
/** What a server refused and has to be done is asked for again so much later. */
const AGAIN_MS = 500;

interface Timer {
  cancel(): void;
}

export interface HeldNodeParts {
  readonly session: Pick<ZooKeeperSession, 'state' | 'getData' | 'getChildren'>;
  readonly parent: string;
  readonly request: HoldRequest;
  readonly clock: Clock;
  readonly node: RequestNode;
  /** Looks whether the node stands, and has it watched. */
  readonly verify: () => Promise<void>;
  /** Whether the hold stands, as far as the present session has been notified. */
  readonly isHeld: () => boolean;
}

/** What a hold does with its node besides standing there: has it watched, and says on it what others are to know, who may watch it. */
export class HeldNode {
  readonly #parts: HeldNodeParts;
  /** For how long it stood in line before it was granted. */
  readonly #waitedMs: number;
  readonly #noteTimer: Timer | null;
  #watchTimer: Timer | null = null;
  /** The node is to say something that it does not say yet: to people, or to somebody who watches it from afar, and may be near now. */
  #owesWord = false;

  /** @param waitedMs for how long it stood in line; null where nobody was in its way */
  constructor(parts: HeldNodeParts, waitedMs: number | null) {
    this.#parts = parts;
    this.#waitedMs = waitedMs ?? 0;
    this.#noteTimer = waitedMs === null ? null : parts.clock.setTimer(NOTE_AFTER_MS, () => this.#noteWait());
    if (parts.node.watched === null) this.#watchIn(WATCH_AFTER_MS);
  }

  /** Wakes who watches it from afar: that one is near now. Who came after the look that granted has seen that by itself. */
  passTurnOn({ queue, index, isLater }: Pick<Turn, 'queue' | 'index' | 'isLater'>): void {
    if (isWatchedFromAfar(queue, index)) this.#touch();
    else if (isLater) this.#touchIfWatched();
  }

  /** There is a connection again: what is owed is said. */
  reconnected(): void {
    if (this.#owesWord && this.#parts.isHeld()) this.#touch();
  }

  end(): void {
    this.#noteTimer?.cancel();
    this.#watchTimer?.cancel();
  }

  /** Nobody waits for this look: who came after the last one may watch this node from afar. */
  #touchIfWatched(): void {
    const { session, parent, node, isHeld } = this.#parts;
    this.#owesWord = true;
    readQueue(session, parent).then(
      (queue) => {
        this.#owesWord = false;
        const index = node.indexIn(queue);
        if (index >= 0 && isHeld() && isWatchedFromAfar(queue, index)) this.#touch();
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
    this.#write().then(
      () => {
        this.#owesWord = false;
      },
      (error: unknown) => {
        // With the next connection again. A node that is gone has notified them by that.
        if (isUnknown(error) || isCode(error, 'NO_NODE')) return;
        this.#parts.clock.setTimer(AGAIN_MS, () => {
          if (this.#parts.isHeld()) this.#touch();
        });
      },
    );
  }

  /** For people: a server that refuses is not asked again. */
  #noteWait(): void {
    if (!this.#parts.isHeld() || this.#owesWord) return;
    this.#write().catch((error: unknown) => {
      // With the next connection.
      this.#owesWord = isUnknown(error);
    });
  }

  #write(): Promise<void> {
    return this.#parts.node.write(nodeData(this.#parts.request, this.#waitedMs));
  }

  #watchIn(ms: number): void {
    const { session, clock, verify, isHeld } = this.#parts;
    this.#watchTimer = clock.setTimer(ms, () => {
      // A connection that does not serve yet may lead to a server that lags; when it does, it looks.
      if (session.state !== 'connected') return;
      verify().catch((error: unknown) => {
        if (!isUnknown(error) && isHeld()) this.#watchIn(AGAIN_MS);
      });
    });
  }
}
