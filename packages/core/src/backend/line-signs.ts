import type { WaitLine } from '../contract/backend.js';
import type { Clock } from '../contract/clock.js';

/** Most waits are over before this, and cost nothing. */
const FIRST_MS = 250;
/** Signs are so far apart at least. */
const EVERY_MS = 900;
/**
 * A line of which nothing new is to be said is confirmed after so long, and a look later at the latest: with the request that its first
 * waiter sends every 2 s, that is less than one request a second.
 */
const CONFIRM_MS = 2_000;
/** What is to be confirmed soon goes with a sign that is sent anyway. */
const EARLY_MS = CONFIRM_MS / 2;
/** A sign that is younger is not confirmed, though that costs nothing. */
const RIDE_MS = 500;
/** A later beginning of the oldest wait is news from so much on. */
const SINCE_MS = 100;

/** For so long the store is to believe a sign: the waiters of a process that has died are shown for no longer. */
export const SIGN_VALID_MS = CONFIRM_MS + FIRST_MS + 450;

/** What the store is to show of one line of this manager; 0 waiters when the line has gone. */
export interface LineSign<K> extends WaitLine {
  /** What is waited for. */
  readonly key: K;
}

/** A request that confirms what the last sign of its line has said, where the store still shows the line. */
export interface RidingSign {
  /** To be called when the store has confirmed it; otherwise the line says the same again in time. */
  taken(): void;
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

/** A sign that is to be sent. */
interface Due<K> {
  readonly entry: Entry<K>;
  readonly said: Said;
  readonly sign: LineSign<K>;
}

/**
 * Says in the store how many wait here, and since when: a second behind at most, for all names at once, and every 2 s while nothing changes. For
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

  /**
   * Whether a request for what is waited for is to confirm the last sign of its line: a waiter that asks often enough costs nothing more for
   * its signs. null where it is too early, or there is something new to say.
   *
   * @param id as in `open`
   */
  riding(id: string): RidingSign | null {
    const entry = this.#entries.get(id);
    if (this.#isClosed || this.#sending !== null || entry === undefined || entry.line === null || entry.said === null) return null;
    const now = this.#clock.now();
    const { said } = entry;
    const { said: present } = signOf(entry, now);
    if (present.waiters === 0 || saysMore(said, present) || now - said.at < RIDE_MS) return null;
    entry.standsUntil = now + SIGN_VALID_MS;
    const taken = (): void => {
      // Another sign may have been said meanwhile.
      if (entry.said === said) entry.said = { ...said, at: now };
    };
    return { taken };
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
    const due: Due<K>[] = [];
    const early: Due<K>[] = [];
    for (const [id, entry] of this.#entries) {
      const { sign, said } = signOf(entry, now);
      if (isNews(entry, said)) due.push({ entry, said, sign });
      else if (entry.line === null) this.#entries.delete(id);
      else if (entry.said !== null && said.waiters > 0 && now - entry.said.at >= EARLY_MS) early.push({ entry, said, sign });
    }
    if (due.length > 0) {
      due.push(...early);
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

function signOf<K>({ key, line }: Entry<K>, now: number): { readonly sign: LineSign<K>; readonly said: Said } {
  const { waiters, oldestWaitMs } = line?.() ?? { waiters: 0, oldestWaitMs: 0 };
  return { sign: { key, waiters, oldestWaitMs }, said: { waiters, since: now - oldestWaitMs, at: now } };
}

function isNews<K>({ said, standsUntil }: Entry<K>, now: Said): boolean {
  if (said === null) return now.waiters > 0 || now.at < standsUntil;
  return saysMore(said, now) || (now.waiters > 0 && now.at - said.at >= CONFIRM_MS);
}

function saysMore(said: Said, now: Said): boolean {
  return now.waiters !== said.waiters || (now.waiters > 0 && now.since > said.since + SINCE_MS);
}
