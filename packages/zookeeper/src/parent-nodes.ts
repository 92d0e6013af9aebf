import type { Clock } from '@holdfast/core';
import type { CreatedNode } from './create-request.js';
import { isCode, isUnknown } from './zookeeper-error.js';
import type { ZooKeeperSession } from './zookeeper-session.js';

/** For so long a parent that nobody here uses is kept: the one who takes and frees one name again and again makes it once. */
const IDLE_MS = 500;
/** Others remove a parent behind our back so many times in a row at most; more says that something is wrong. */
const MOST_TRIES = 100;
/** No node of ours is ever written so often. */
const NO_VERSION = 2 ** 31 - 1;

const EMPTY = Buffer.alloc(0);

/**
 * The nodes of names, under which requests queue. They are made when they are missed and removed when they are empty: the
 * server refuses to remove one that has children, and to make a child of one that is gone, so no creator is cut off.
 */
export class ParentNodes {
  readonly #session: Pick<ZooKeeperSession, 'remove'>;
  readonly #clock: Clock;
  /** How many places of this backend are under each; 0 for those that are about to be removed. */
  readonly #users = new Map<string, number>();
  /** Of those that stand: whether this user may remove what this user makes under each, or a node that cannot be removed. */
  readonly #permissions = new Map<string, 'proven' | { readonly stuck: string }>();
  #idle = new Set<string>();
  #timer: { cancel(): void } | null = null;
  #isClosed = false;

  /** @param session where empty ones are removed */
  constructor(session: Pick<ZooKeeperSession, 'remove'>, clock: Clock) {
    this.#session = session;
    this.#clock = clock;
  }

  use(parent: string): void {
    this.#users.set(parent, (this.#users.get(parent) ?? 0) + 1);
    this.#idle.delete(parent);
  }

  unuse(parent: string): void {
    const users = (this.#users.get(parent) ?? 1) - 1;
    if (users > 0) {
      this.#users.set(parent, users);
      return;
    }
    this.#users.delete(parent);
    this.tidy(parent);
  }

  /** Removes it soon if it is empty and not in use; again, if that was not answered. */
  tidy(parent: string): void {
    if (this.#isClosed || this.#users.has(parent)) return;
    this.#idle.add(parent);
    this.#timer ??= this.#clock.setTimer(IDLE_MS, () => {
      this.#timer = null;
      void this.flush();
    });
  }

  /** Makes an ephemeral sequential node. The request for the parent goes out with it, not before it. */
  async createChild(
    session: Pick<ZooKeeperSession, 'create' | 'createUnder' | 'remove'>,
    parent: string,
    prefix: string,
    data: Buffer,
  ): Promise<CreatedNode> {
    const known = this.#permissions.get(parent);
    // One that cannot be removed is enough.
    if (typeof known === 'object') await this.prove(session, parent, known.stuck);
    for (let tries = 1; ; tries += 1) {
      const isProven = this.#permissions.get(parent) === 'proven';
      const parentMade = isProven ? undefined : session.createUnder(parent, EMPTY, 'persistent');
      const childMade = session.create(`${parent}/${prefix}`, data, 'ephemeral-sequential');
      const [above, child] = await Promise.allSettled([parentMade, childMade]);
      if (child.status === 'fulfilled') {
        // A session has shown what its user may do under nodes that the user makes.
        if (!isProven && above.status === 'fulfilled') this.#permissions.set(parent, 'proven');
        return child.value;
      }
      this.#permissions.delete(parent);
      if (!isCode(child.reason, 'NO_NODE') || tries === MOST_TRIES) throw child.reason;
      if (above.status === 'rejected' && !isCode(above.reason, 'NODE_EXISTS')) throw above.reason;
    }
  }

  /**
   * Shows that this user may remove a node under a parent that somebody else has made: what stays there keeps all others out. Of a node that is
   * gone nothing is known.
   *
   * @throws RefusalError NO_AUTH
   */
  async prove(session: Pick<ZooKeeperSession, 'remove'>, parent: string, node: string): Promise<void> {
    if (this.#permissions.get(parent) === 'proven') return;
    try {
      // Servers look whether this user may before they look at the version.
      await session.remove(node, NO_VERSION);
    } catch (error) {
      if (isCode(error, 'BAD_VERSION')) this.#permissions.set(parent, 'proven');
      else if (isCode(error, 'NO_NODE')) this.#permissions.delete(parent);
      else {
        if (isCode(error, 'NO_AUTH')) this.#permissions.set(parent, { stuck: node });
        throw error;
      }
    }
  }

  /** Removes those that are not in use. Never rejects: the rest of it is an empty node. */
  async flush(): Promise<void> {
    const idle = [...this.#idle];
    this.#idle = new Set();
    await Promise.all(
      idle.map(async (parent) => {
        this.#permissions.delete(parent);
        try {
          await this.#session.remove(parent);
        } catch (error) {
          // Else somebody's requests are under it, or it is gone already.
          if (isUnknown(error)) this.tidy(parent);
        }
      }),
    );
  }

  close(): void {
    this.#isClosed = true;
    this.#timer?.cancel();
  }
}
