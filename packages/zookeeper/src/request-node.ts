import { randomBytes } from 'node:crypto';
import type { CallContext, HoldRequest, Stamp } from '@holdfast/core';
import { stampOf } from '@holdfast/core/backend';
import type { NodeStat } from './create-request.js';
import { nodeData } from './node-data.js';
import { nodePrefix, type QueueEntry } from './node-names.js';
import type { ParentNodes } from './parent-nodes.js';
import { readQueue } from './read-queue.js';
import { WakeUp } from './wake-up.js';
import { createWatcher, type NodeChange } from './watch-table.js';
import { expiredError, isCode, isUnknown, mayBeDone, unavailable } from './zookeeper-error.js';
import type { ZooKeeperSession } from './zookeeper-session.js';

/** Where the node is, as far as this process knows. From the moment in which it is asked for it belongs to one session. */
type Whereabouts =
  | { readonly is: 'unasked' }
  | { readonly is: 'asked'; readonly sessionId: bigint; readonly answered: Promise<void> }
  /** The reply to its making was lost: it may be there. */
  | { readonly is: 'doubtful'; readonly sessionId: bigint }
  /** With a removal that was sent and whose reply was lost: if the node is gone then, that was us. */
  | { readonly is: 'standing'; readonly sessionId: bigint; readonly path: string; readonly isRemovalSent: boolean }
  /** Somebody else removed it. */
  | { readonly is: 'gone' };

/** The node's record: from its making, which is good for one look behind that, or kept up to date by a watch that stands. */
type Known = { readonly by: 'making' | 'watch'; readonly stat: NodeStat };

export interface RequestNodeParts {
  readonly session: Pick<
    ZooKeeperSession,
    'id' | 'ready' | 'create' | 'createUnder' | 'remove' | 'setData' | 'getData' | 'getChildren' | 'beat'
  >;
  readonly parents: Pick<ParentNodes, 'createChild' | 'prove'>;
  readonly parent: string;
  readonly request: HoldRequest;
  /** Throws where the request is over: no node is made for it then. */
  readonly throwIfOver: () => void;
  /** Somebody else removed it. */
  readonly onRemoved: () => void;
  /** It was written, and is not watched any more. */
  readonly onChanged: () => void;
}

/**
 * The node of one request, from before it is made until it is certainly gone. It belongs to one session and is never believed in under
 * another.
 */
export class RequestNode {
  readonly #parts: RequestNodeParts;
  readonly #session: RequestNodeParts['session'];
  readonly #guid = randomBytes(16).toString('hex');
  readonly #watcher = createWatcher((change) => this.#changed(change));
  /** There is a connection again, or the request is over. */
  readonly #wakeUp = new WakeUp();
  #state: Whereabouts = { is: 'unasked' };
  #known: Known | null = null;
  /** How often its watch has reported. */
  #changes = 0;

  constructor(parts: RequestNodeParts) {
    this.#parts = parts;
    this.#session = parts.session;
  }

  /** Whether it stands or may stand in the session that there was when it was asked for. */
  get isAsked(): boolean {
    return this.#state.is !== 'unasked';
  }

  /** Whether the session that it belongs to is the present one. */
  get isOfPresentSession(): boolean {
    return 'sessionId' in this.#state && this.#state.sessionId === this.#session.id;
  }

  /** Its record, if a removal would be reported. */
  get watched(): NodeStat | null {
    return this.#known?.by === 'watch' ? this.#known.stat : null;
  }

  /** Whether the record is that of a node of the present session. One of a session that has ended may stand for a while. */
  isOurs({ ephemeralOwner }: NodeStat): boolean {
    return this.isOfPresentSession && ephemeralOwner === this.#session.id;
  }

  indexIn(queue: readonly QueueEntry[]): number {
    return queue.findIndex(({ guid }) => guid === this.#guid);
  }

  /** Makes the node. @returns from before it was asked for */
  async make(call: CallContext): Promise<Stamp> {
    const { parents, parent, request, throwIfOver } = this.#parts;
    await this.#session.ready(call.timeoutMs);
    throwIfOver();
    const sessionId = this.#session.id;
    const stamp = stampOf(call.clock);
    const made = parents.createChild(this.#session, parent, nodePrefix(this.#guid, request), nodeData(request)).then(
      ({ path, stat }) => {
        this.#state = { is: 'standing', sessionId, path, isRemovalSent: false };
        this.#known = { by: 'making', stat };
      },
      (error: unknown) => {
        this.#state = mayBeDone(error) ? { is: 'doubtful', sessionId } : { is: 'unasked' };
        throw error;
      },
    );
    this.#state = { is: 'asked', sessionId, answered: made.catch(() => {}) };
    await made;
    throwIfOver();
    return stamp;
  }

  /** As `make`; one whose reply is lost is looked for when there is a connection again, and keeps its place in line. */
  async makeOrFind(call: CallContext): Promise<Stamp | null> {
    for (;;) {
      try {
        const state = this.#state;
        if (state.is === 'doubtful') {
          this.#parts.throwIfOver();
          await this.#wakeUp.sleep();
          this.#parts.throwIfOver();
          this.#wakeUp.reset();
          if (!this.isOfPresentSession) throw expiredError(this.#parts.request.name);
          await this.#find(state.sessionId);
        }
        return this.#state.is === 'unasked' ? await this.make(call) : null;
      } catch (error) {
        if (!isUnknown(error) || this.#state.is !== 'doubtful') throw error;
      }
    }
  }

  /** For a look behind its making: what is known of it already, else as `read`. @throws where this user may not remove it */
  async look(): Promise<NodeStat | null> {
    const known = this.#known;
    if (known?.by === 'making') this.#known = null;
    const state = this.#state;
    if (state.is !== 'standing') return null;
    const proven = this.#parts.parents.prove(this.#session, this.#parts.parent, state.path);
    const [stat] = await Promise.all([known?.stat ?? this.read(), proven]);
    return stat;
  }

  /** Reads it and from then on hears of its removal. @returns null when it has been removed */
  async read(): Promise<NodeStat | null> {
    const state = this.#state;
    if (state.is !== 'standing') return null;
    const changes = this.#changes;
    try {
      const { stat } = await this.#session.getData(state.path, this.#watcher);
      // A change that came right behind the answer has used the watch up.
      if (changes === this.#changes) this.#known = { by: 'watch', stat };
      return stat;
    } catch (error) {
      if (!isCode(error, 'NO_NODE')) throw error;
      if (this.#state === state) this.#state = { is: 'gone' };
      return null;
    }
  }

  /** Writes it, which wakes those who watch it. */
  async write(data: Buffer): Promise<void> {
    if (this.#state.is === 'standing') await this.#session.setData(this.#state.path, data);
  }

  /** There is a connection again: watches are gone, and what they would have reported. */
  reconnected(): void {
    this.#known = null;
    this.#wakeUp.wake();
  }

  /** The request is over: who looks for the node to stand in line with it stops that, and nobody hears of the node any more. */
  leaveAlone(): void {
    this.#watcher.end();
    this.#wakeUp.wake();
  }

  /** Removes it, however long that takes. @returns whether it stood until then. @throws what a server refused it with */
  async remove(): Promise<boolean> {
    for (;;) {
      const state = this.#state;
      if (state.is === 'unasked' || state.is === 'gone') return false;
      if (!this.isOfPresentSession) return state.is === 'standing' && state.isRemovalSent;
      this.#wakeUp.reset();
      try {
        if (state.is === 'asked') await state.answered;
        else if (state.is === 'doubtful') await this.#find(state.sessionId);
        else {
          await this.#session.remove(state.path);
          return true;
        }
      } catch (error) {
        if (state.is === 'standing' && isCode(error, 'NO_NODE')) return state.isRemovalSent;
        if (!isUnknown(error)) throw unavailable(error, this.#parts.request.name);
        if (state.is === 'standing' && error.isSent) this.#state = { ...state, isRemovalSent: true };
        await this.#wakeUp.sleep();
      }
    }
  }

  /** Looks for it by its GUID. Behind a write: this server then knows all that any server took from us before. */
  async #find(sessionId: bigint): Promise<void> {
    await this.#session.beat();
    const queue = await readQueue(this.#session, this.#parts.parent);
    const found = queue[this.indexIn(queue)];
    this.#state =
      found === undefined
        ? { is: 'unasked' }
        : { is: 'standing', sessionId, path: `${this.#parts.parent}/${found.node}`, isRemovalSent: false };
  }

  #changed(change: NodeChange): void {
    // The watch is used up.
    this.#known = null;
    this.#changes += 1;
    if (change === 'removed') {
      this.#state = { is: 'gone' };
      this.#parts.onRemoved();
    } else this.#parts.onChanged();
  }
}
