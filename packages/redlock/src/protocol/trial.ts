import type { HoldRequest, Stamp } from '@holdfast/core';
import type { NodeAnswer } from './ask-nodes.js';
import type { ReleaseRequest, Unit, Vote } from './node.js';
import { freeAfterMs, type Verdict, verdictOf } from './quorum.js';

/** What became of one request: it is voted on; it is held; it has ended, or was found lost, and whatever is found of it is freed. */
type Fate = 'open' | 'held' | 'over' | 'lost';

/** One round of one request: the votes of all nodes for one owner token. When it is won it is what is known of the hold. */
export class Trial {
  readonly request: HoldRequest;
  readonly unit: Unit;
  readonly nodeTtlMs: number;
  /** For each node the counter under which it stands for us; 0 while it does not. */
  readonly counters: number[];
  /** For each node what it said. 'failed': it may have voted without our knowing. 'unsent': it was never asked. */
  readonly votes: (Vote | 'pending' | 'failed' | 'unsent')[];
  fate: Fate = 'open';
  /** Its round has ended without it, and what comes of it is freed. */
  isOver = false;
  token = 0;
  /** Monotonic time after which no node keeps it any more. */
  until = 0;
  /** Of the request that a quorum has answered last: from then on it is kept for so long. null until it is held. */
  confirmed: { readonly stamp: Stamp; readonly ttlMs: number } | null = null;
  /** By which core knows it: the owner of the attempt that won it, or to whom it was passed on. */
  heldBy: string;
  /** Monotonic time since when it has been passed on from holder to holder; null while it is its first holder's. */
  passedSince: number | null = null;
  /** A renewal behind a hand-over is under way. */
  isBeingConfirmed = false;

  constructor(request: HoldRequest, unit: Unit, nodeTtlMs: number, nodes: number) {
    this.request = request;
    this.unit = unit;
    this.nodeTtlMs = nodeTtlMs;
    this.heldBy = request.owner;
    this.counters = Array.from({ length: nodes }, () => 0);
    this.votes = Array.from({ length: nodes }, () => 'pending');
  }

  /** @param vote undefined: the node did not answer, or not this */
  note(node: number, answer: NodeAnswer<unknown>, vote: Vote | undefined): void {
    const isUnsent = answer.kind === 'failed' && !answer.failure.mayHappen;
    this.votes[node] = vote ?? (isUnsent ? 'unsent' : 'failed');
    this.counters[node] = vote?.kind === 'granted' ? vote.counter : 0;
  }

  /** No node was asked so far. */
  get isUnsent(): boolean {
    return this.votes.every((vote) => vote === 'unsent' || vote === 'pending');
  }

  /** @param isOver nobody waits for those who have not answered */
  verdict(quorum: number, isOver: boolean): Verdict {
    let [granted, refused, pending] = [0, 0, 0];
    for (const vote of this.votes) {
      if (vote === 'pending') pending += 1;
      else if (typeof vote === 'object' && vote.kind === 'granted') granted += 1;
      else if (typeof vote === 'object' && vote.kind === 'refused') refused += 1;
    }
    return verdictOf({ granted, refused, pending: isOver ? 0 : pending }, quorum);
  }

  get granted(): number {
    return this.counters.filter((counter) => counter > 0).length;
  }

  get refusals(): readonly Extract<Vote, { kind: 'refused' }>[] {
    return this.votes.flatMap((vote) => (typeof vote === 'object' && vote.kind === 'refused' ? [vote] : []));
  }

  /** Whether somebody else certainly has a quorum. */
  isHeldByAnother(quorum: number): boolean {
    const counts = new Map<string, number>();
    for (const { holder } of this.refusals) if (holder !== null) counts.set(holder, (counts.get(holder) ?? 0) + 1);
    return [...counts.values()].some((count) => count >= quorum);
  }

  remainingMs(quorum: number): number | null {
    return freeAfterMs(
      this.granted,
      this.refusals.map(({ remainingMs }) => remainingMs),
      quorum,
    );
  }

  releaseRequest(quiet: boolean): ReleaseRequest {
    const { name, mode, owner } = this.unit;
    return { name, mode, owner, quiet };
  }
}
