import type { Clock } from '@holdfast/core';
import type { CreatedNode } from './create-request.js';
import { isCode, isUnknown } from './zookeeper-error.js';
import type { ZooKeeperSession } from './zookeeper-session.js';

/** For so long a parent that nobody here uses is kept: the one who takes and frees one name again and again makes it once. */
const IDLE_MS = 500;
/** Others remove a parent behind our back so many times in a row at most; more says that something is wrong. */
const MOST_TRIES = 100;

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
  /** Of those that stand: whether this user may remove what this user makes under each. */
  readonly #permissions = new Map<string, 'proven' | 'refused'>();
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
    // One that cannot be removed is enough.
    if (this.#permissions.get(parent) === 'refused') await this.prove(session, parent, prefix);
    for (let tries = 1; ; tries += 1) {
      const isKnown = this.#permissions.has(parent);
      const parentMade = isKnown ? undefined : session.createUnder(parent, EMPTY, 'persistent');
      const childMade = session.create(`${parent}/${prefix}`, data, 'ephemeral-sequential');
      const [above, child] = await Promise.allSettled([parentMade, childMade]);
      if (child.status === 'fulfilled') {
        // A session has shown what its user may do under nodes that the user makes.
        if (above.status === 'fulfilled') this.#permissions.set(parent, 'proven');
        return child.value;
      }
      this.#permissions.delete(parent);
      if (!isCode(child.reason, 'NO_NODE') || tries === MOST_TRIES) throw child.reason;
      if (above.status === 'rejected' && !isCode(above.reason, 'NODE_EXISTS')) throw above.reason;
    }
  }

  /**
   * Shows that this user may remove what this user makes under a parent that somebody else has made: what stays there keeps all others out.
   *
   * @param name of a node that is not there
   */
  async prove(session: Pick<ZooKeeperSession, 'remove'>, parent: string, name: string): Promise<void> {
    if (this.#permissions.get(parent) === 'proven') return;
    try {
      await session.remove(`${parent}/${name}`);
    } catch (error) {
      if (isCode(error, 'NO_AUTH')) this.#permissions.set(parent, 'refused');
      // A server looks whether it may before it looks whether there is anything.
      if (!isCode(error, 'NO_NODE')) throw error;
    }
    this.#permissions.set(parent, 'proven');
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
