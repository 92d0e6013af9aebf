import type { DriverEvent } from './zookeeper-client.js';

export type NodeChange = 'removed' | 'changed';

/** Hears of changes of nodes, until it is ended. In the form that the driver takes: a function. */
export interface Watcher {
  (event: DriverEvent): void;
  /** From now on nothing is reported, and no table knows the watcher any more. */
  end(): void;
  isOver: boolean;
  /** Where it stands in tables. */
  readonly entries: Set<Entry>;
}

interface Entry {
  readonly watchers: Set<Watcher>;
  remove(): void;
}

// Types of events.
const CREATED = 1;
const REMOVED = 2;
const CHANGED = 3;
const CHILDREN = 4;

/** @param tell called once for each look at a node that was made with the watcher, when the node changes after the look */
export function createWatcher(tell: (change: NodeChange) => void): Watcher {
  const watcher: Watcher = Object.assign(
    ({ type }: DriverEvent): void => {
      if (!watcher.isOver) tell(type === REMOVED ? 'removed' : 'changed');
    },
    {
      isOver: false,
      entries: new Set<Entry>(),
      end(): void {
        watcher.isOver = true;
        for (const entry of watcher.entries) forget(entry, watcher);
        watcher.entries.clear();
      },
    },
  );
  return watcher;
}

/**
 * Who watches what over one connection; takes the place of the driver's own table. That one keeps who has long left, for as long as the node
 * does not change, and cannot be asked to forget. The server keeps one watch for a node and a connection, however many look.
 */
export class WatchTable {
  readonly #data = new Map<string, Entry>();
  readonly #children = new Map<string, Entry>();

  registerDataWatcher(path: string, watcher: Watcher): void {
    add(this.#data, path, watcher);
  }

  registerChildWatcher(path: string, watcher: Watcher): void {
    add(this.#children, path, watcher);
  }

  /** An event came: all who watch the node are notified, and watch no longer. Events of unknown types tell nobody. */
  emit(event: DriverEvent): void {
    const tables = event.type === CHILDREN ? [this.#children] : [this.#data, ...(event.type === REMOVED ? [this.#children] : [])];
    if (![CREATED, REMOVED, CHANGED, CHILDREN].includes(event.type)) return;
    const told = tables.flatMap((table) => {
      const entry = table.get(event.path);
      if (entry === undefined) return [];
      entry.remove();
      for (const watcher of entry.watchers) watcher.entries.delete(entry);
      return [...entry.watchers];
    });
    for (const watcher of told) watcher(event);
  }

  /** For the driver, which would set watches again on its next connection: there is none. */
  isEmpty(): boolean {
    return true;
  }

  /** How many watchers it knows. */
  get size(): number {
    return [...this.#data.values(), ...this.#children.values()].reduce((sum, { watchers }) => sum + watchers.size, 0);
  }

  /** The connection has ended: nothing will be reported. */
  clear(): void {
    for (const table of [this.#data, this.#children]) {
      for (const entry of table.values()) for (const watcher of entry.watchers) watcher.entries.delete(entry);
      table.clear();
    }
  }
}

function add(table: Map<string, Entry>, path: string, watcher: Watcher): void {
  // Its owner may have left while the request was on its way.
  if (watcher.isOver) return;
  let entry = table.get(path);
  if (entry === undefined) {
    entry = { watchers: new Set(), remove: () => void table.delete(path) };
    table.set(path, entry);
  }
  entry.watchers.add(watcher);
  watcher.entries.add(entry);
}

function forget(entry: Entry, watcher: Watcher): void {
  entry.watchers.delete(watcher);
  if (entry.watchers.size === 0) entry.remove();
}
