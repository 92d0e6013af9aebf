import type { Lease, LockManager, LostReason } from '@holdfast/core';
import { emit, type ElectionEvent, type ResignReason } from './election-events.js';
import type { ResolvedElectionOptions } from './election-options.js';
import type { Leader, LeaderView } from './leader-view.js';

/** What is reported of one term of ours, once: how it ended. */
export interface TermReport {
  resigned(reason: ResignReason, error?: unknown): void;
  deposed(reason: LostReason): void;
}

/** Tells observers, and the view that all of this process share, what becomes of one election's terms. */
export class TermReports {
  readonly #locks: LockManager;
  readonly #election: string;
  readonly #options: ResolvedElectionOptions;
  readonly #view: LeaderView;
  #noticed: bigint | null = null;

  constructor(locks: LockManager, election: string, options: ResolvedElectionOptions, view: LeaderView) {
    this.#locks = locks;
    this.#election = election;
    this.#options = options;
    this.#view = view;
  }

  elected(lease: Lease<bigint>, waitedMs: number): TermReport {
    const { clock } = this.#locks;
    const { label } = this.#options;
    const term = lease.fencingToken;
    const startedAt = clock.now();
    const leader = this.#view.won(lease, label);
    this.#emit({ type: 'elected', label, term, waitedMs });
    this.noticed(leader);
    let isOver = false;
    const end = (event: DraftOf<'resigned'> | DraftOf<'deposed'>): void => {
      if (isOver) return;
      isOver = true;
      this.#view.ended(lease);
      this.#emit(event);
    };
    const base = () => ({ label, term, ledMs: Math.round(clock.now() - startedAt) });
    return {
      resigned: (reason, error) => end({ type: 'resigned', ...base(), reason, ...(error !== undefined && { error }) }),
      deposed: (reason) => end({ type: 'deposed', ...base(), reason }),
    };
  }

  /** Somebody leads, here or elsewhere. */
  noticed(leader: Leader | null): void {
    if (leader === null || (this.#noticed !== null && leader.term <= this.#noticed)) return;
    const previousTerm = this.#noticed;
    this.#noticed = leader.term;
    this.#emit({ type: 'leader-changed', label: leader.label, term: leader.term, previousTerm });
  }

  #emit(draft: Draft): void {
    const event = { ...draft, backend: this.#locks.backend, election: this.#election, at: this.#locks.clock.wall() };
    emit(event, this.#options.onEvent);
  }
}

/** An event as its place of origin knows it. */
type Draft = ElectionEvent extends infer E ? (E extends ElectionEvent ? Omit<E, 'at' | 'backend' | 'election'> : never) : never;
type DraftOf<T extends Draft['type']> = Extract<Draft, { readonly type: T }>;
