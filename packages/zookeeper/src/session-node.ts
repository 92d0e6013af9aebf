import type { CreatedNode, NodeMode, NodeStat } from './create-request.js';
import { isCode } from './zookeeper-error.js';

const EMPTY = Buffer.alloc(0);

/** What the node asks of its session. */
interface Requests {
  readonly id: bigint;
  createUnder(path: string, data: Buffer, mode: NodeMode): Promise<CreatedNode>;
  setData(path: string, data: Buffer): Promise<NodeStat>;
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

  async make(): Promise<void> {
    try {
      await this.#session.createUnder(this.#path, EMPTY, 'ephemeral');
    } catch (error) {
      if (!isCode(error, 'NODE_EXISTS')) throw error;
    }
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

  get #path(): string {
    return `${this.#directory}/${this.#session.id.toString(16).padStart(16, '0')}`;
  }
}
