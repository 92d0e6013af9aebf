import type { Kind, PushSetting } from './push-rules.js';

/** One wait, and the hold that comes of it, as both sides know it by its number. */
export interface Asker {
  readonly id: number;
  readonly manager: number;
  readonly kind: Kind;
  readonly permits: number;
}

export interface ServerHold {
  readonly asker: Asker;
  readonly fence: number;
  expiry: number;
  isProvisional: boolean;
}

/** What one step of the server says of the waiters that it has served. */
export interface Push {
  readonly asker: Asker;
  readonly fence: number;
  readonly seen: number;
}

const NEVER = -1000;

/** The scripts on one server, over one name. */
export class PushServer {
  readonly #on: PushSetting;
  holds: ServerHold[] = [];
  /** First come first. */
  queue: { readonly asker: Asker; readonly score: number }[] = [];
  /** When the last sign of life of each manager was carried out. */
  seen: number[] = [];
  fence = 0;
  score = 0;
  /** Since when a manager hands on to itself. */
  turn: { readonly manager: number; readonly since: number } | null = null;
  pushes: Push[] = [];
  /** Nobody hears what is published for manager 0. */
  isUnheard = false;
  broken: string | null = null;

  constructor(on: PushSetting) {
    this.#on = on;
    this.seen = Array.from({ length: on.managers }, () => NEVER);
  }

  /** The same state once more. */
  copy(): PushServer {
    const twin = new PushServer(this.#on);
    twin.holds = this.holds.map((hold) => ({ ...hold }));
    twin.queue = [...this.queue];
    twin.seen = [...this.seen];
    twin.fence = this.fence;
    twin.score = this.score;
    twin.turn = this.turn;
    return twin;
  }

  holdOf(id: number): ServerHold | undefined {
    return this.holds.find(({ asker }) => asker.id === id);
  }

  isAlive(manager: number, now: number): boolean {
    return now < (this.seen[manager] ?? NEVER) + this.#on.alive;
  }

  /** Forgets what has expired. The one who was granted and never confirmed is taken for dead. */
  sweep(now: number): void {
    for (const { asker, expiry, isProvisional } of this.holds) {
      if (expiry <= now && isProvisional) this.seen[asker.manager] = NEVER;
    }
    this.holds = this.holds.filter(({ expiry }) => expiry > now);
  }

  fits({ kind, permits }: Asker): boolean {
    const { rules, limit } = this.#on;
    if (kind === 'permits') return this.holds.reduce((sum, { asker }) => sum + asker.permits, 0) + (rules.weighs ? permits : 1) <= limit;
    return kind === 'read' ? this.holds.every(({ asker }) => asker.kind === 'read') : this.holds.length === 0;
  }

  /** Enrols, says that its manager is alive, claims what was granted. @param score the former one, null for a first time */
  enrol(asker: Asker, score: number | null, now: number): { readonly answer: 'granted' | 'busy'; readonly score: number } {
    const { ttl, guard, rules } = this.#on;
    this.sweep(now);
    this.seen[asker.manager] = now;
    const held = this.holdOf(asker.id);
    if (held !== undefined) {
      held.expiry = Math.max(held.expiry, now + ttl + guard);
      held.isProvisional = false;
      this.handOn(now);
      return { answer: 'granted', score: 0 };
    }
    const at = this.queue.findIndex((place) => place.asker.id === asker.id);
    const own = this.queue[at]?.score ?? score ?? ++this.score;
    this.queue = this.queue.filter((place) => place.asker.id !== asker.id);
    const isFirst = !this.queue.some(
      (place) => place.score < own && this.isAlive(place.asker.manager, now) && this.#minds(asker, place.asker),
    );
    if (isFirst && this.fits(asker)) {
      this.#grant(asker, own, now, now + ttl + guard, false);
      this.handOn(now);
      return { answer: 'granted', score: own };
    }
    this.queue.push({ asker, score: own });
    this.queue.sort((a, b) => a.score - b.score);
    if (rules.handsOnAtSigns) this.handOn(now);
    return { answer: 'busy', score: own };
  }

  /** @returns the askers that were granted and not confirmed; null when the manager's places have to be taken again */
  sign(manager: number, now: number): readonly number[] | null {
    this.sweep(now);
    const isKnown = this.isAlive(manager, now);
    if (isKnown) this.seen[manager] = now;
    if (this.#on.rules.handsOnAtSigns) this.handOn(now);
    if (!isKnown) return null;
    return this.holds.filter(({ asker, isProvisional }) => isProvisional && asker.manager === manager).map(({ asker }) => asker.id);
  }

  renew(asker: Asker, now: number): { readonly stands: boolean; readonly fence: number } {
    const { ttl, guard, rules } = this.#on;
    this.sweep(now);
    const held = this.holdOf(asker.id);
    if (held !== undefined) {
      held.expiry = rules.confirmationShortens ? now + ttl + guard : Math.max(held.expiry, now + ttl + guard);
      held.isProvisional = false;
      return { stands: true, fence: held.fence };
    }
    if (rules.confirmsBy === 'renewal' || !this.fits(asker)) return { stands: false, fence: 0 };
    this.#grant(asker, NEVER, now, now + ttl + guard, false);
    return { stands: true, fence: this.fence };
  }

  /** @param next the request of the same manager's next waiter. @returns whether that one was granted */
  release(asker: Asker, next: Asker | null, now: number): boolean {
    const { ttl, guard, turn, rules } = this.#on;
    this.sweep(now);
    const wasHeld = this.holdOf(asker.id) !== undefined;
    this.holds = this.holds.filter((hold) => hold.asker.id !== asker.id);
    this.queue = this.queue.filter((place) => place.asker.id !== asker.id);
    let isGranted = next !== null && this.holdOf(next.id) !== undefined;
    if (next !== null && wasHeld && !isGranted && this.fits(next)) {
      const others = this.queue.some((place) => place.asker.manager !== next.manager && this.isAlive(place.asker.manager, now));
      if (this.turn?.manager !== next.manager) this.turn = { manager: next.manager, since: now };
      const isOver = now - this.turn.since >= turn;
      if (!others || !isOver || !rules.turnEnds) {
        if (others && isOver) this.broken = 'a manager hands on to itself beyond its turn';
        this.holds.push({ asker: next, fence: ++this.fence, expiry: now + ttl + guard, isProvisional: false });
        isGranted = true;
      }
    }
    this.handOn(now);
    return isGranted;
  }

  force(now: number): void {
    this.sweep(now);
    this.holds = [];
    this.handOn(now);
  }

  /** Grants to the head of the queue for as long as it fits. */
  handOn(now: number): void {
    const { rules, provisional, guard, alive } = this.#on;
    for (let at = 0; at < this.queue.length; ) {
      const { asker, score } = this.queue[at] as (typeof this.queue)[number];
      const { manager } = asker;
      if (rules.looksAtLife && !this.isAlive(manager, now)) {
        this.queue.splice(at, 1);
        continue;
      }
      if (!this.fits(asker)) {
        if (rules.letsPass || (!rules.readersMindWriters && asker.kind === 'write')) {
          at++;
          continue;
        }
        return;
      }
      this.queue.splice(at, 1);
      if (!rules.keepsUnheard && this.isUnheard && manager === 0) {
        if (this.isAlive(manager, now)) this.broken = 'a living waiter lost its place because nobody heard the message';
        this.seen[manager] = NEVER;
        continue;
      }
      const seen = this.seen[manager] ?? NEVER;
      const from = rules.serverCountsFrom === 'grant' ? now : Math.max(seen, now - alive);
      this.#grant(asker, score, now, from + provisional + (rules.keepsGuard ? guard : 0), true);
      this.pushes.push({ asker, fence: this.fence, seen });
      if (!rules.grantsAllThatFit) return;
    }
  }

  /** A waiter that has not been granted though it is the first and fits. */
  overlooked(now: number): boolean {
    const first = this.queue.find(({ asker }) => this.isAlive(asker.manager, now));
    return first !== undefined && this.#fitsInTruth(first.asker);
  }

  #minds(asker: Asker, before: Asker): boolean {
    const { rules } = this.#on;
    if (rules.letsPass) return this.fits(before);
    return rules.readersMindWriters || asker.kind !== 'read' || before.kind !== 'write';
  }

  #fitsInTruth({ kind, permits }: Asker): boolean {
    if (kind === 'permits') return this.holds.reduce((sum, { asker }) => sum + asker.permits, 0) + permits <= this.#on.limit;
    return kind === 'read' ? this.holds.every(({ asker }) => asker.kind === 'read') : this.holds.length === 0;
  }

  #grant(asker: Asker, score: number, now: number, expiry: number, isProvisional: boolean): void {
    if (score !== NEVER && this.queue.some((place) => place.score < score && this.isAlive(place.asker.manager, now))) {
      this.broken = 'somebody passed a living waiter in front';
    }
    this.turn = this.turn?.manager === asker.manager ? this.turn : null;
    this.holds.push({ asker, fence: ++this.fence, expiry, isProvisional });
  }
}
