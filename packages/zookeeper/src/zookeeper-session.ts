import type { Stamp } from '@holdfast/core';
import { stampOf } from '@holdfast/core/backend';
import type { CreatedNode, NodeMode, NodeStat } from './create-request.js';
import { Directories } from './directories.js';
import { type LinkSettings, SessionLink } from './session-link.js';
import { SessionNode } from './session-node.js';
import { SharedLooks } from './shared-looks.js';
import type { Step } from './transaction-request.js';
import type { Watcher } from './watch-table.js';
import type { Connection, NodeRecord } from './zookeeper-connection.js';
import { ConnectionLostError } from './zookeeper-error.js';

export interface SessionSettings extends LinkSettings {
  /** Nodes that must be there, parents first; the last is where sessions have their nodes. */
  readonly directories: readonly string[];
}

/** What the session tells of itself. */
export interface SessionListener {
  /** It is connected and the server has taken a write. What waits for the session goes on when this has settled. */
  onConnected(isNew: boolean): Promise<void>;
  /** It is over: a server says so, or two thirds of its time have passed in silence. The next one is another. */
  onLost(): void;
}

const EMPTY = Buffer.alloc(0);

/**
 * What can be asked of an ensemble, in a session that is followed by another when it is over.
 *
 * The heartbeat is a write, because only a majority can acknowledge one: a server that is cut off from its leader goes on
 * answering reads and pings.
 */
export class ZooKeeperSession {
  readonly #settings: SessionSettings;
  readonly #link: SessionLink;
  readonly #directories: Directories;
  readonly #node: SessionNode;
  readonly #looks = new SharedLooks((path, watchers) => this.#read((connection) => connection.getChildren(path, watchers)));

  constructor(settings: SessionSettings, listener: SessionListener) {
    this.#settings = settings;
    this.#directories = new Directories(settings.directories, (path) => this.create(path, EMPTY, 'persistent'));
    this.#node = new SessionNode(this, settings.directories.at(-1) ?? '');
    this.#link = new SessionLink(settings, {
      onConnected: async (isNew) => {
        await (isNew ? this.#node.make() : this.#node.beatNow());
        await listener.onConnected(isNew);
      },
      onLost: () => listener.onLost(),
      onUnwritten: () => void this.beat().catch(() => {}),
    });
  }

  /** The present session; 0 before the first. */
  get id(): bigint {
    return this.#link.id;
  }

  /** For how long after the sending of an acknowledged write the session may be believed in. */
  get believedMs(): number {
    return this.#link.believedMs;
  }

  get state(): 'none' | 'connected' | 'suspended' | 'closed' {
    return this.#link.state;
  }

  /** When the last write that a majority has acknowledged had been sent: the session stood at that time. */
  get written(): Stamp | null {
    return this.#link.written;
  }

  /**
   * Resolves when requests can be made; connects if need be. To be asked before the first request of a call.
   *
   * @throws LockUnavailableError `wasSent: false`, when each server has been tried in vain, after `withinMs`, or when waiting cannot help
   */
  ready(withinMs: number): Promise<void> {
    return this.#link.ready(withinMs);
  }

  /** Makes a node. A sequential one gets a number behind its path. */
  create(path: string, data: Buffer, mode: NodeMode): Promise<CreatedNode> {
    return this.#write((connection) => connection.create(path, data, mode));
  }

  /** As `create`, and makes the directories above the node where they are missing. */
  createUnder(path: string, data: Buffer, mode: NodeMode): Promise<CreatedNode> {
    return this.#directories.under(() => this.create(path, data, mode));
  }

  /** All or nothing. */
  transact(steps: readonly Step[]): Promise<void> {
    return this.#write((connection) => connection.transact(steps));
  }

  remove(path: string, version = -1): Promise<void> {
    return this.#write((connection) => connection.remove(path, version));
  }

  setData(path: string, data: Buffer, version = -1): Promise<NodeStat> {
    return this.#write((connection) => connection.setData(path, data, version));
  }

  /** @param watcher notified once, when the data change or the node is removed; never when the connection ends before */
  getData(path: string, watcher?: Watcher): Promise<NodeRecord> {
    return this.#read((connection) => connection.getData(path, watcher));
  }

  /** @param watcher notified once, when a child comes or goes; never when the connection ends before */
  getChildren(path: string, watcher?: Watcher): Promise<readonly string[]> {
    return this.#looks.ask(path, watcher);
  }

  /** A write on the session's own node: shows that a majority still knows the session, and what time the leader has. */
  beat(): Promise<NodeStat> {
    return this.#node.beat();
  }

  /** Ends the session, so that its ephemeral nodes go at once and not with its time. */
  close(): Promise<void> {
    return this.#link.close();
  }

  async #write<T>(send: (connection: Connection) => Promise<T>): Promise<T> {
    const sent = stampOf(this.#settings.clock);
    const value = await this.#read(send);
    this.#link.written = sent;
    return value;
  }

  #read<T>(send: (connection: Connection) => Promise<T>): Promise<T> {
    const { connection } = this.#link;
    if (connection === null) return Promise.reject(new ConnectionLostError('there is no connection', { isSent: false }));
    return send(connection);
  }
}
