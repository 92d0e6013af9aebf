import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Clock, HoldLifeEvent, LockKind } from '@holdfast/core';

/** A hold that this process has lost. */
export interface Loss {
  /** By the wall clock, in milliseconds. */
  readonly at: number;
  readonly name: string;
  readonly kind: LockKind;
  readonly label: string;
  readonly reason: string;
  readonly heldMs: number;
}

/** The waits that ended in one span of time. */
export interface WaitSpan {
  readonly count: number;
  readonly longestMs: number;
}

/** What only this process knows of itself. */
export interface OwnProcess {
  /** The last one first. */
  readonly losses: readonly Loss[];
  /** The oldest span first. */
  readonly waits: readonly WaitSpan[];
  /** How long each span is. */
  readonly everyMs: number;
}

const MOST_LOSSES = 50;
const SPAN_MS = 5_000;
const SPANS = 120;
const NOTHING: WaitSpan = { count: 0, longestMs: 0 };

/** Listens to one manager's events: its last losses, and how long its waits took. Never more than a page shows. */
export class OwnProcessWatch {
  readonly #managerId: string;
  readonly #clock: Clock;
  readonly #losses: Loss[] = [];
  /** By the number of the span since the epoch. */
  readonly #waits = new Map<number, WaitSpan>();

  constructor(managerId: string, clock: Clock) {
    this.#managerId = managerId;
    this.#clock = clock;
    subscribe('holdfast:lost', this.#onEvent);
    subscribe('holdfast:granted', this.#onEvent);
    subscribe('holdfast:not-granted', this.#onEvent);
  }

  get seen(): OwnProcess {
    const now = this.#spanNow();
    const waits = Array.from({ length: SPANS }, (_, index) => this.#waits.get(now - SPANS + 1 + index) ?? NOTHING);
    return { losses: [...this.#losses], waits, everyMs: SPAN_MS };
  }

  close(): void {
    unsubscribe('holdfast:lost', this.#onEvent);
    unsubscribe('holdfast:granted', this.#onEvent);
    unsubscribe('holdfast:not-granted', this.#onEvent);
  }

  readonly #onEvent = (message: unknown): void => {
    const event = message as HoldLifeEvent;
    if (event.managerId !== this.#managerId) return;
    if (event.type === 'lost') this.#noteLoss(event);
    else if ((event.type === 'granted' || event.type === 'not-granted') && event.contended) this.#noteWait(event.waitedMs);
  };

  #noteLoss({ at, name, kind, label, reason, heldMs }: Extract<HoldLifeEvent, { type: 'lost' }>): void {
    this.#losses.unshift({ at, name, kind, label, reason, heldMs });
    if (this.#losses.length > MOST_LOSSES) this.#losses.pop();
  }

  #noteWait(waitedMs: number): void {
    const now = this.#spanNow();
    const { count, longestMs } = this.#waits.get(now) ?? NOTHING;
    this.#waits.set(now, { count: count + 1, longestMs: Math.max(longestMs, waitedMs) });
    for (const span of this.#waits.keys()) if (span <= now - SPANS || span > now) this.#waits.delete(span);
  }

  #spanNow(): number {
    return Math.floor(this.#clock.wall() / SPAN_MS);
  }
}
