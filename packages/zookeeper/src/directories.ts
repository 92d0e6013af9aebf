import { isCode, RefusalError } from './zookeeper-error.js';

/** Somebody may remove a directory in the moment in which it was made; more often says that something is wrong. */
const MOST_TRIES = 3;

/** The nodes under which all others stand. They are made when they are missed, and only those that are missing. */
export class Directories {
  readonly #paths: readonly string[];
  readonly #create: (path: string) => Promise<unknown>;

  /** @param paths parents first */
  constructor(paths: readonly string[], create: (path: string) => Promise<unknown>) {
    this.#paths = paths;
    this.#create = create;
  }

  /** Runs a creation. Where a node above is missing, makes the directories and runs the creation again. */
  async under<T>(creation: () => Promise<T>): Promise<T> {
    let refusal: RefusalError | null = null;
    for (let tries = 0; ; tries += 1) {
      try {
        return await creation();
      } catch (error) {
        if (!isCode(error, 'NO_NODE')) throw error;
        if (refusal !== null) throw refusal;
        if (tries === MOST_TRIES) throw error;
      }
      refusal = await this.#make();
    }
  }

  /**
   * Makes what is missing.
   *
   * @returns a refusal for a missing permission, else null. A server asks for the permission to create before it looks whether the node is
   *   there: an operator's chroot, whose parent we may not write to, is refused and does no harm. So only a creation that fails
   *   afterwards shows that a permission is missing.
   */
  async #make(): Promise<RefusalError | null> {
    const made = await Promise.allSettled(this.#paths.map((path) => this.#create(path)));
    let refusal: RefusalError | null = null;
    for (const outcome of made) {
      if (outcome.status === 'fulfilled' || isCode(outcome.reason, 'NODE_EXISTS')) continue;
      if (outcome.reason instanceof RefusalError && isCode(outcome.reason, 'NO_AUTH')) refusal ??= outcome.reason;
      // Else the one above has been refused, which is the reason.
      else if (!isCode(outcome.reason, 'NO_NODE')) throw outcome.reason;
    }
    return refusal;
  }
}
