import type { WaitLine } from '../contract/backend.js';
import type { Clock } from '../contract/clock.js';

/** Most waits are over before this, and cost nothing. */
const FIRST_MS = 250;
/** How often it is looked whether there is anything to say. */
const EVERY_MS = 900;
/** A line of which nothing new is to be said is confirmed after so long, so that it stands. */
const CONFIRM_MS = 6 * EVERY_MS;
/** A later beginning of the oldest wait is news from so much on. */
const SINCE_MS = 100;

/** For so long the store is to believe a sign: the waiters of a process that has died are shown for no longer. */
export const SIGN_VALID_MS = CONFIRM_MS + 2 * EVERY_MS;

/** What the store is to show of one line of this manager; 0 waiters when the line has gone. */
export interface LineSign<K> extends WaitLine {
  /** What is waited for. */
  readonly key: K;
}

/** What a sign says; times by the monotonic clock. */
interface Said {
  readonly waiters: number;
  readonly since: number;
  readonly at: number;
}

interface Entry<K> {
  readonly key: K;
  /** null: the line has gone. */
  line: (() => WaitLine) | null;
  /** The last sign that the store has taken; null when none was, or its answer was lost. */
  said: Said | null;
  /** Until when something may stand in the store. */
  standsUntil: number;
}

/**
 * Says in the store how many wait here, and since when: a second behind at most, for all names at once, and seldom while nothing changes. For
 * backends whose store keeps no waiters by itself; see `LockBackend.announce`.
 */
export class LineSigns<K> {
  readonly #clock: Clock;
  readonly #send: (signs: readonly LineSign<K>[]) => Promise<unknown>;
  readonly #entries = new Map<string, Entry<K>>();
  #timer: { cancel(): void } | null = null;
  /** The sign that is on its way; never rejects. */
  #sending: Promise<void> | null = null;
  #isClosed = false;
  #sentAt = Number.NEGATIVE_INFINITY;

  /** @param send tells the store; what it rejects with is dropped, and the next sign says the same */
  constructor(clock: Clock, send: (signs: readonly LineSign<K>[]) => Promise<unknown>) {
    this.#clock = clock;
    this.#send = send;
  }

  /**
   * From now on signs tell of this line.
   *
   * @param id the same for those who wait for the same
   */
  open(
    id: string,
    key: K,
    line: () => WaitLine,
  ): {
    /** Nobody stands in the line any more. */
    close(): void;
  } {
    const entry: Entry<K> = this.#entries.get(id) ?? { key, line, said: null, standsUntil: Number.NEGATIVE_INFINITY };
    entry.line = line;
    this.#entries.set(id, entry);
    this.#arm();
    return {
      close: () => {
        if (entry.line === line) entry.line = null;
      },
    };
  }

  /** Says nothing any more. Resolves when what stands in the store has been taken back, or could not be: then it ends by itself. */
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#timer?.cancel();
    this.#timer = null;
    const now = this.#clock.now();
    const standing = [...this.#entries.values()].filter(({ said, standsUntil }) => standsUntil > now && said?.waiters !== 0);
    this.#entries.clear();
    if (standing.length === 0) return;
    await this.#sending;
    await this.#send(standing.map(({ key }) => ({ key, waiters: 0, oldestWaitMs: 0 }))).catch(() => {});
  }

  #arm(): void {
    if (this.#isClosed || this.#sending !== null || this.#timer !== null || this.#entries.size === 0) return;
    const after = Math.max(FIRST_MS, this.#sentAt + EVERY_MS - this.#clock.now());
    this.#timer = this.#clock.setTimer(after, () => {
      this.#timer = null;
      this.#look();
    });
  }

  #look(): void {
    const now = this.#clock.now();
    const due: { readonly entry: Entry<K>; readonly said: Said; readonly sign: LineSign<K> }[] = [];
    for (const [id, entry] of this.#entries) {
      const { waiters, oldestWaitMs } = entry.line?.() ?? { waiters: 0, oldestWaitMs: 0 };
      const said = { waiters, since: now - oldestWaitMs, at: now };
      if (isNews(entry, said)) due.push({ entry, said, sign: { key: entry.key, waiters, oldestWaitMs } });
      else if (entry.line === null) this.#entries.delete(id);
    }
    if (due.length > 0) {
      this.#sentAt = now;
      for (const { entry, said } of due) {
        entry.said = null;
        if (said.waiters > 0) entry.standsUntil = now + SIGN_VALID_MS;
      }
      const taken = (): void => {
        for (const { entry, said } of due) entry.said = said;
      };
      // What was not taken the next sign says.
      this.#sending = this.#send(due.map(({ sign }) => sign))
        .then(taken, () => {})
        .then(() => {
          this.#sending = null;
          this.#arm();
        });
      return;
    }
    this.#arm();
  }
}

function isNews<K>({ said, standsUntil }: Entry<K>, now: Said): boolean {
  if (said === null) return now.waiters > 0 || now.at < standsUntil;
  if (now.waiters !== said.waiters) return true;
  return now.waiters > 0 && (now.since > said.since + SINCE_MS || now.at - said.at > CONFIRM_MS - EVERY_MS / 2);
}
