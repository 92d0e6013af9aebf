import type { Clock, HolderState, HoldRequest, LockKind, LockState } from '@holdfast/core';
import { inParts } from '@holdfast/core/backend';
import { LeaderClock } from './leader-clock.js';
import { readNodeData } from './node-data.js';
import { decodeName, directoryOf, encodeName, type QueueEntry } from './node-names.js';
import type { ParentNodes } from './parent-nodes.js';
import { holdersOf } from './queue-rules.js';
import { readQueue } from './read-queue.js';
import { isCode, unlessRefused } from './zookeeper-error.js';
import type { ZooKeeperSession } from './zookeeper-session.js';

/** How many names are looked at at a time. */
const BATCH = 50;
/** For so long the leader's time is reckoned from the last reading of it. For people who look: nothing is decided by it. */
const CLOCK_MS = 1000;
const KINDS: readonly LockKind[] = ['lock', 'semaphore', 'read-write'];

/** What operators see and do. */
export class Inspection {
  readonly #session: ZooKeeperSession;
  readonly #parents: ParentNodes;
  readonly #root: string;
  readonly #leader: LeaderClock;

  constructor(session: ZooKeeperSession, parents: ParentNodes, root: string, clock: Clock) {
    this.#session = session;
    this.#parents = parents;
    this.#root = root;
    this.#leader = new LeaderClock(session, clock, CLOCK_MS);
  }

  pathOf(name: string, kind: LockKind): string {
    return `${this.#root}/${directoryOf[kind]}/${encodeName(name)}`;
  }

  async inspect(name: string, kind: LockKind): Promise<LockState> {
    const parent = this.pathOf(name, kind);
    const queue = await readQueue(this.#session, parent);
    const entries = holdersOf(queue);
    const states = await Promise.all(entries.map((entry) => this.#holderOf(parent, entry)));
    const holders = states.filter((state) => state !== null);
    const first = queue.find((entry) => !entries.includes(entry));
    const oldestWaitMs = first === undefined ? null : await this.#waitedMs(`${parent}/${first.node}`);
    return { name, kind, held: holders.length > 0, holders, waiters: queue.length - entries.length, oldestWaitMs };
  }

  /** @returns whether anybody had it */
  async forceRelease(name: string, kind: LockKind): Promise<boolean> {
    const parent = this.pathOf(name, kind);
    // Behind a write, so that the server has seen all that was granted before this call.
    await this.#session.beat();
    const entries = holdersOf(await readQueue(this.#session, parent));
    const remove = ({ node }: QueueEntry): Promise<boolean> => this.#session.remove(`${parent}/${node}`).then(() => true);
    const removed = await Promise.all(entries.map((entry) => unlessRefused(remove(entry), false, 'NO_NODE')));
    this.#parents.tidy(parent);
    return removed.includes(true);
  }

  /** All that is held. A name whose node this user may not read is left out: others are reported anyway. */
  async *list(prefix: string): AsyncIterable<LockState> {
    for (const kind of KINDS) {
      const directory = `${this.#root}/${directoryOf[kind]}`;
      const nodes = await unlessRefused(this.#session.getChildren(directory), [], 'NO_NODE');
      const names = nodes.flatMap((node) => decodeName(node) ?? []).filter((name) => name.startsWith(prefix));
      for (const some of inParts(names, BATCH)) {
        const looks = await Promise.all(some.map((name) => unlessRefused(this.inspect(name, kind), null, 'NO_AUTH')));
        const states = looks.filter((state) => state !== null);
        for (const state of states) {
          // What a dead client left: its requests are gone with its session, and nobody has come since.
          if (!state.held && state.waiters === 0) this.#parents.tidy(this.pathOf(state.name, kind));
        }
        yield* states.filter(({ held }) => held);
      }
    }
  }

  /** For how long a request has stood in line, by the leader's clock; null where this user may not look, or it has gone. */
  #waitedMs(path: string): Promise<number | null> {
    const seen = Promise.all([this.#session.getData(path), this.#leader.now()]);
    const waitedMs = seen.then(([{ stat }, now]) => Math.max(0, now - stat.createdAtMs));
    return unlessRefused(waitedMs, null, 'NO_NODE', 'NO_AUTH');
  }

  async #holderOf(parent: string, { node, mode, permits }: QueueEntry): Promise<HolderState | null> {
    // What the node's name says.
    const holder = { label: null, mode: mode satisfies HoldRequest['mode'], permits, remainingMs: null, fencingToken: null };
    try {
      const [{ data, stat }, now] = await Promise.all([this.#session.getData(`${parent}/${node}`), this.#leader.now()]);
      const { label, waitedMs } = readNodeData(data);
      // Its node is as old as the request.
      const heldMs = Math.max(0, now - stat.createdAtMs - waitedMs);
      return { ...holder, label, fencingToken: mode === 'permits' ? null : stat.czxid, heldMs };
    } catch (error) {
      if (isCode(error, 'NO_NODE')) return null;
      if (isCode(error, 'NO_AUTH')) return holder;
      throw error;
    }
  }
}
