import type { LockBackend } from '../contract/backend.js';
import type { Clock } from '../contract/clock.js';
import type { HoldPlan } from '../hold/hold-plan.js';

/** After handing on within this manager for so long, other managers get their turn. */
const TURN_MS = 100;
/** The pause before the next request where the last long one has brought nobody. */
const GLANCE_MS = 2;
/** How often there is a long one anyway: somebody may have come. */
const LOOK_EVERY_MS = 1_000;
/** How long waiters need that no message wakes; while a name changes hands they ask that often. */
const POLLED_MS = 30;
/** Where others poll, a turn lasts at least for so many pauses. */
const TURNS_OF_PAUSE = 4;
/** Times the store's answer: the release wakes a waiter, whose request is on its way for as long again, and half as long to spare. */
const WAKE_FACTOR = 1.5;

/** What this manager has of a name, as its holds know it. */
export interface OwnShare {
  /** Permits of the key that this manager has, those included whose release is under way; any other hold counts as one. */
  shareOf(key: string): number;
}

/** What all turns of a manager need. */
export interface TurnServices {
  readonly backend: Pick<LockBackend, 'subscribe' | 'capabilities'>;
  readonly holds: OwnShare;
  readonly clock: Clock;
}

/**
 * For how long one name may go from one task of this manager to the next. To hand on within the manager is the fastest way, and would
 * starve other managers without an end: their requests come later than the manager's own next one, which is sent right behind the release.
 *
 * The rule: after 100 ms in a row the next request pauses once, for as long as others need to ask first. The row ends before when the
 * name is with others alone, or when this manager has had nothing of it for as long as a pause. A refusal while this manager has something
 * of the name, or has not heard of its release, does not end the row. Nobody says whether others want the name. So pauses are as
 * long as others need, until one has brought nobody; then they are short, but for one a second, until a request is refused because others
 * have the name.
 */
export class LocalTurn {
  readonly #key: string;
  readonly #backend: TurnServices['backend'];
  readonly #holds: OwnShare;
  readonly #clock: Clock;
  /** Since when holds of this manager follow each other. */
  #since: number | null = null;
  /** When the last of them ended. */
  #endedAt = Number.NEGATIVE_INFINITY;
  /** When this manager last did something about the name. */
  #activeAt: number;
  /** Whether others want the name, as far as is known. */
  #others: 'unknown' | 'there' | 'none' = 'unknown';
  /** When a pause has brought nobody. */
  #aloneAt = 0;
  #hasPaused = false;
  /** What this manager had when it asked: a refusal may be older than the answer to a release that was under way then. */
  #askedWith = 0;
  #answerMs = 0;

  constructor(key: string, { backend, holds, clock }: TurnServices) {
    this.#key = key;
    this.#backend = backend;
    this.#holds = holds;
    this.#clock = clock;
    this.#activeAt = clock.now();
  }

  /** Whether what is known of the name is too old to matter: this manager has nothing of it, and has asked for nothing. */
  get isForgotten(): boolean {
    return this.#clock.now() - this.#activeAt >= LOOK_EVERY_MS && this.#holds.shareOf(this.#key) === 0;
  }

  /** A hold of this manager ends: what is granted next may be the next hold in a row. */
  holdEnded(): void {
    this.#endedAt = this.#clock.now();
    this.#activeAt = this.#endedAt;
    this.#since ??= this.#endedAt;
  }

  /** A request of this manager has been answered. */
  answered(plan: HoldPlan, isGranted: boolean, askedAt: number): void {
    this.#activeAt = this.#clock.now();
    this.#answerMs = this.#activeAt - askedAt;
    if (isGranted) {
      if (this.#hasPaused) {
        this.#others = 'none';
        this.#aloneAt = this.#activeAt;
      }
    } else {
      const own = Math.max(this.#askedWith, this.#holds.shareOf(this.#key));
      if (own === 0 || (plan.mode === 'permits' && own + plan.permits <= plan.limit)) this.#others = 'there';
      if (own === 0) this.#since = null;
    }
    this.#hasPaused = false;
  }

  /** Whether the next request has to pause, and so cannot be sent at once. */
  mustPause(): boolean {
    return this.#needMs(this.#clock.now()) > 0;
  }

  /** How long the next request has to pause, in ms: 0 where it need not. To be asked before each request, which then begins another row. */
  pause(): number {
    const now = this.#clock.now();
    const needMs = this.#needMs(now);
    this.#activeAt = now;
    if (needMs === 0) return 0;
    this.#since = null;
    this.#hasPaused = this.#isLook(now);
    return needMs;
  }

  #needMs(now: number): number {
    this.#askedWith = this.#holds.shareOf(this.#key);
    if (this.#since === null || now - this.#since < this.#turnMs()) return 0;
    const needMs = this.#isLook(now) ? this.#lookMs() : GLANCE_MS;
    if (now - this.#endedAt < needMs || this.#askedWith > 0) return needMs;
    this.#since = null;
    return 0;
  }

  /** Where others poll, the name stands idle for a part of each pause: with a slow store a turn is longer, so that this part stays small. */
  #turnMs(): number {
    const { capabilities, subscribe } = this.#backend;
    return capabilities.push || subscribe === undefined ? TURN_MS : Math.max(TURN_MS, TURNS_OF_PAUSE * this.#lookMs());
  }

  #isLook(now: number): boolean {
    return this.#others !== 'none' || now - this.#aloneAt >= LOOK_EVERY_MS;
  }

  /** As long as others need to ask first. Where only a backoff has them ask, those who have waited for long ask seldom. */
  #lookMs(): number {
    const { capabilities, subscribe } = this.#backend;
    if (!capabilities.push && subscribe === undefined && this.#others === 'there') return TURN_MS;
    const needMs = capabilities.push ? WAKE_FACTOR * this.#answerMs : POLLED_MS + this.#answerMs;
    return Math.min(TURN_MS, Math.max(GLANCE_MS, needMs));
  }
}
