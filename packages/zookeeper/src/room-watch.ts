import type { QueueEntry } from './node-names.js';
import { hasRoom } from './queue-rules.js';
import type { WakeUp } from './wake-up.js';
import { createWatcher, type Watcher } from './watch-table.js';
import { isCode } from './zookeeper-error.js';
import type { ZooKeeperSession } from './zookeeper-session.js';

/** Watches each of the last in front of an entry that is next in line. */
export class RoomWatch {
  readonly #session: Pick<ZooKeeperSession, 'getData'>;
  readonly #parent: string;
  readonly #wakeUp: WakeUp;
  readonly #watchers = new Map<QueueEntry, Watcher>();
  /** Who has not left yet. */
  readonly #left = new Set<QueueEntry>();
  #isUnsure = false;

  /** @param wakeUp what wakes the one who waits for room when somebody has left, or when watches are gone */
  constructor(session: Pick<ZooKeeperSession, 'getData'>, parent: string, wakeUp: WakeUp) {
    this.#session = session;
    this.#parent = parent;
    this.#wakeUp = wakeUp;
  }

  /** Whether watches are gone, and with them what is known of those in front: the queue has to be looked at. */
  get isUnsure(): boolean {
    return this.#isUnsure;
  }

  async watch(last: readonly QueueEntry[]): Promise<void> {
    for (const one of last) {
      this.#left.add(one);
      this.#watchers.set(
        one,
        createWatcher((change) => {
          if (change === 'removed') this.#left.delete(one);
          // It has its permits, or says for how long it had waited: the watch is used up.
          else this.#look(one).catch(() => this.becomeUnsure());
          this.#wakeUp.wake();
        }),
      );
    }
    await Promise.all(last.map((one) => this.#look(one)));
  }

  hasRoomFor(entry: QueueEntry): boolean {
    return hasRoom(entry, this.#left);
  }

  becomeUnsure(): void {
    this.#isUnsure = true;
    this.#wakeUp.wake();
  }

  end(): void {
    for (const watcher of this.#watchers.values()) watcher.end();
  }

  async #look(one: QueueEntry): Promise<void> {
    try {
      await this.#session.getData(`${this.#parent}/${one.node}`, this.#watchers.get(one));
    } catch (error) {
      if (!isCode(error, 'NO_NODE')) throw error;
      this.#left.delete(one);
      this.#wakeUp.wake();
    }
  }
}
