import type { CreatedNode, NodeMode, NodeStat } from './create-request.js';
import type { Step } from './transaction-request.js';
import { isCode, ownNodesError, unlessRefused } from './zookeeper-error.js';

const EMPTY = Buffer.alloc(0);

/** What the node asks of its session. */
interface Requests {
  readonly id: bigint;
  createUnder(path: string, data: Buffer, mode: NodeMode): Promise<CreatedNode>;
  setData(path: string, data: Buffer): Promise<NodeStat>;
  getData(path: string): Promise<unknown>;
  transact(steps: readonly Step[]): Promise<void>;
}

/** The node that a session has for itself, and writes as its heartbeat. */
export class SessionNode {
  readonly #session: Requests;
  readonly #directory: string;
  #beat: Promise<NodeStat> | null = null;

  /** @param directory where sessions have their nodes */
  constructor(session: Requests, directory: string) {
    this.#session = session;
    this.#directory = directory;
  }

  /**
   * Makes the node, and shows that this user may do with the nodes that this user makes what heartbeats and holds need: all have the same access
   * list.
   *
   * @throws LockUnavailableError where the access list does not let this user do that
   */
  async make(): Promise<void> {
    const creation = unlessRefused(this.#session.createUnder(this.#path, EMPTY, 'ephemeral'), null, 'NODE_EXISTS');
    const [made, proven] = await Promise.allSettled([creation, this.#prove()]);
    if (made.status === 'rejected') throw made.reason;
    if (proven.status === 'fulfilled') return;
    // It was made behind the directories above it, which were missing too.
    if (!isCode(proven.reason, 'NO_NODE')) throw proven.reason;
    await this.#prove();
  }

  /** One write for all who ask for it in the same tick. */
  beat(): Promise<NodeStat> {
    this.#beat ??= Promise.resolve().then(() => {
      this.#beat = null;
      return this.beatNow();
    });
    return this.#beat;
  }

  async beatNow(): Promise<NodeStat> {
    const path = this.#path;
    try {
      return await this.#session.setData(path, EMPTY);
    } catch (error) {
      if (!isCode(error, 'NO_NODE')) throw error;
      // Somebody tidied up.
      await this.make();
      return await this.#session.setData(path, EMPTY);
    }
  }

  async #prove(): Promise<void> {
    const proofs = [this.#session.setData(this.#path, EMPTY), this.#session.getData(this.#path), this.#proveBelow()];
    try {
      await Promise.all(proofs);
    } catch (error) {
      throw isCode(error, 'NO_AUTH') ? ownNodesError() : error;
    }
  }

  /** That nodes can be made and removed below a node that this user makes: in a transaction whose last step is not possible, so that nothing stays. */
  async #proveBelow(): Promise<void> {
    const above = `${this.#path}-trial`;
    const below = `${above}/trial`;
    const trial = this.#session.transact([
      { create: above, data: EMPTY, mode: 'persistent' },
      { create: below, data: EMPTY, mode: 'persistent' },
      { remove: below },
      { remove: below },
    ]);
    await unlessRefused(trial, null, 'NO_NODE');
  }

  get #path(): string {
    return `${this.#directory}/${this.#session.id.toString(16).padStart(16, '0')}`;
  }
}
