import { isCode, unlessRefused } from './zookeeper-error.js';
import type { ZooKeeperSession } from './zookeeper-session.js';

type MarkSession = Pick<ZooKeeperSession, 'create' | 'createUnder' | 'remove' | 'getChildren'>;

/** A folder is for what ends within so long, and lies in one for 512 times as much: few are looked at to find what has ended. */
const FOLDER_MS = 2_048;
const FOLDERS = 512;
/** The one who set a mark knew the leader's time as well as this. */
const SLACK_MS = 500;
/** For so long after its end a mark may stay out of a folder that is due. */
export const LONGEST_DUE_MS = FOLDER_MS + SLACK_MS;

const EMPTY = Buffer.alloc(0);
const MOST_TRIES = 10;
/** How many folders are remembered as made. */
const MOST_KNOWN = 1_000;

/**
 * When marks end: `<folder of folders>/<folder>/<mark>`, numbered by the leader's clock. So those that have ended are found
 * without a look at all that stand, and all that stand without one reply that holds them all.
 */
export class MarkEnds {
  readonly #session: MarkSession;
  readonly #directory: string;
  readonly #made = new Map<string, Promise<void>>();

  constructor(session: MarkSession, directory: string) {
    this.#session = session;
    this.#directory = directory;
  }

  /** The folder for a mark that ends then. */
  folderOf(endsAtMs: number): string {
    const number = Math.max(0, Math.floor(endsAtMs / FOLDER_MS));
    return `${Math.floor(number / FOLDERS)}/${number % FOLDERS}`;
  }

  /** Puts a mark into its folder. */
  async note(folder: string, node: string): Promise<void> {
    for (let tries = 1; ; tries += 1) {
      await this.#make(folder);
      try {
        await this.#session.create(`${this.#directory}/${folder}/${node}`, EMPTY, 'persistent');
        return;
      } catch (error) {
        if (isCode(error, 'NODE_EXISTS')) return;
        // Who clears away removes empty folders.
        this.#made.delete(folder);
        if (!isCode(error, 'NO_NODE') || tries === MOST_TRIES) throw error;
      }
    }
  }

  async forget(folder: string, node: string): Promise<void> {
    await unlessGone(this.#session.remove(`${this.#directory}/${folder}/${node}`));
  }

  /** The folders of which all has ended, the first to end first. */
  async due(nowMs: number): Promise<readonly string[]> {
    return await this.#folders((number) => (number + 1) * FOLDER_MS + SLACK_MS <= nowMs);
  }

  async all(): Promise<readonly string[]> {
    return await this.#folders(() => true);
  }

  /** The marks in a folder; none when it is gone. */
  marksIn(folder: string): Promise<readonly string[]> {
    return this.#children(`/${folder}`);
  }

  /** Removes folders that are empty. */
  async removeEmpty(folder: string): Promise<void> {
    const [above = ''] = folder.split('/');
    this.#made.delete(folder);
    await unlessGone(this.#session.remove(`${this.#directory}/${folder}`));
    // The last one of its kind takes what it lay in along.
    if ((await this.#children(`/${above}`)).length === 0) await unlessGone(this.#session.remove(`${this.#directory}/${above}`));
  }

  async #folders(isWanted: (number: number) => boolean): Promise<readonly string[]> {
    const above = numbersIn(await this.#children('')).filter((number) => isWanted(number * FOLDERS));
    const below = await Promise.all(above.map(async (number) => ({ number, folders: numbersIn(await this.#children(`/${number}`)) })));
    return below.flatMap(({ number, folders }) =>
      folders.filter((folder) => isWanted(number * FOLDERS + folder)).map((folder) => `${number}/${folder}`),
    );
  }

  #make(folder: string): Promise<void> {
    const known = this.#made.get(folder);
    if (known !== undefined) return known;
    if (this.#made.size >= MOST_KNOWN) this.#made.clear();
    const [above = ''] = folder.split('/');
    const make = async (): Promise<void> => {
      await unlessThere(this.#session.createUnder(`${this.#directory}/${above}`, EMPTY, 'persistent'));
      await unlessThere(this.#session.create(`${this.#directory}/${folder}`, EMPTY, 'persistent'));
    };
    const made = make();
    this.#made.set(folder, made);
    made.catch(() => this.#made.delete(folder));
    return made;
  }

  #children(path: string): Promise<readonly string[]> {
    return unlessRefused(this.#session.getChildren(`${this.#directory}${path}`), [], 'NO_NODE');
  }
}

function numbersIn(nodes: readonly string[]): readonly number[] {
  return nodes
    .filter((node) => /^\d{1,15}$/.test(node))
    .map(Number)
    .sort((a, b) => a - b);
}

function unlessThere(made: Promise<unknown>): Promise<unknown> {
  return unlessRefused(made, null, 'NODE_EXISTS');
}

function unlessGone(removed: Promise<void>): Promise<unknown> {
  return unlessRefused(removed, null, 'NO_NODE', 'NOT_EMPTY');
}
