import type { Watcher } from './watch-table.js';

type Read = (path: string, watchers: readonly Watcher[]) => Promise<readonly string[]>;

/** One look at the children of a node for all who want it in the same tick, as those do whom one change has woken. */
export class SharedLooks {
  readonly #read: Read;
  /** By path: what is about to be asked. */
  readonly #looks = new Map<string, { readonly watchers: Set<Watcher>; readonly names: Promise<readonly string[]> }>();

  constructor(read: Read) {
    this.#read = read;
  }

  ask(path: string, watcher?: Watcher): Promise<readonly string[]> {
    let look = this.#looks.get(path);
    if (look === undefined) {
      const watchers = new Set<Watcher>();
      const names = Promise.resolve().then(() => {
        this.#looks.delete(path);
        return this.#read(path, [...watchers]);
      });
      look = { watchers, names };
      this.#looks.set(path, look);
    }
    if (watcher !== undefined) look.watchers.add(watcher);
    return look.names;
  }
}
