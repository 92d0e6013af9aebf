import type { QueueSession } from '../src/queue-place.js';
import type { CreatedNode, NodeMode, NodeStat } from '../src/create-request.js';
import type { NodeRecord } from '../src/zookeeper-connection.js';
import { ConnectionLostError, RefusalError } from '../src/zookeeper-error.js';

const NO_NODE = -101;
const BAD_VERSION = -103;
const NODE_EXISTS = -110;
const SESSION = 7n;

/**
 * Two servers of an ensemble, as far as one session sees them: a model, because no real one lags at will. Every write reaches both in the
 * order of the log; the second server answers reads from what it has applied, and applies the rest when this session writes
 * through it, as servers do.
 */
export class LaggingServers implements QueueSession {
  readonly id = SESSION;
  readonly state = 'connected';
  readonly believedMs = 10_000;
  readonly written = null;
  /** Both have these; what the second lacks of them. */
  readonly #nodes = new Map<string, NodeStat>();
  #applied: ReadonlyMap<string, NodeStat> | null = null;
  #zxid = 0n;
  #losesReplyToChild = false;
  #onReconnect: () => void = () => {};

  /** The reply to the next child that is made is lost; the session goes on with the other server, which has not heard of it yet. */
  loseReplyToChild(onReconnect: () => void): void {
    this.#losesReplyToChild = true;
    this.#onReconnect = onReconnect;
  }

  /** The nodes that the ensemble has. */
  get paths(): readonly string[] {
    return [...this.#nodes.keys()];
  }

  async ready(): Promise<void> {}

  async create(path: string, _data: Buffer, mode: NodeMode): Promise<CreatedNode> {
    const isChild = mode === 'ephemeral-sequential';
    const before = new Map(this.#nodes);
    if (!isChild && this.#nodes.has(path)) throw new RefusalError(NODE_EXISTS);
    this.#zxid += 1n;
    const made = isChild ? `${path}${String(this.#zxid).padStart(10, '0')}` : path;
    const stat = { czxid: this.#zxid, createdAtMs: 0, modifiedAtMs: 0, version: 0, ephemeralOwner: isChild ? SESSION : 0n };
    this.#nodes.set(made, stat);
    const isLost = isChild && this.#losesReplyToChild;
    this.#applied = isLost ? before : null;
    if (!isLost) return { path: made, stat };
    this.#losesReplyToChild = false;
    queueMicrotask(this.#onReconnect);
    throw new ConnectionLostError('the connection was lost');
  }

  createUnder(path: string, data: Buffer, mode: NodeMode): Promise<CreatedNode> {
    return this.create(path, data, mode);
  }

  /** Nodes of the model are never written: all have version 0. */
  async remove(path: string, version = -1): Promise<void> {
    this.#applied = null;
    if (!this.#nodes.has(path)) throw new RefusalError(NO_NODE);
    if (version > 0) throw new RefusalError(BAD_VERSION);
    this.#nodes.delete(path);
  }

  async setData(path: string): Promise<NodeStat> {
    this.#applied = null;
    return this.#statOf(path);
  }

  async beat(): Promise<NodeStat> {
    this.#applied = null;
    return { czxid: 0n, createdAtMs: 0, modifiedAtMs: 0, version: 0, ephemeralOwner: SESSION };
  }

  async getData(path: string): Promise<NodeRecord> {
    return { data: Buffer.alloc(0), stat: this.#statOf(path) };
  }

  async getChildren(path: string): Promise<readonly string[]> {
    const seen = this.#applied ?? this.#nodes;
    if (!seen.has(path)) throw new RefusalError(NO_NODE);
    return [...seen.keys()].filter((node) => node.startsWith(`${path}/`)).map((node) => node.slice(path.length + 1));
  }

  #statOf(path: string): NodeStat {
    const stat = (this.#applied ?? this.#nodes).get(path);
    if (stat === undefined) throw new RefusalError(NO_NODE);
    return stat;
  }
}
