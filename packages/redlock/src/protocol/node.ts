import type { HoldRequest, LockKind } from '@holdfast/core';

/** What one owner asks of a node: all or nothing of it. */
export interface Unit {
  readonly name: string;
  readonly mode: HoldRequest['mode'];
  readonly owner: string;
  /** Of a semaphore: which of its slots. Empty otherwise. */
  readonly slots: readonly number[];
  readonly label: string;
}

/** One request for a node's vote. Counters, hints and tokens are microseconds, or one more than the last. */
export interface VoteRequest {
  readonly unit: Unit;
  /** For how long the node keeps it, all margins included. */
  readonly ttlMs: number;
  /** What the client would like the counter to be: its clock. With the same counter on all nodes one round trip is enough. */
  readonly hint: number;
  /** Whether the client waits, and wants to be woken. */
  readonly waits: boolean;
  /** Of a semaphore. */
  readonly limit: number;
}

/** What a node says to one request. */
export type Vote =
  | {
      readonly kind: 'granted';
      readonly counter: number;
      /** Slots of a semaphore that others have. */
      readonly taken: readonly number[];
      /** Another limit than the request's by which one of these goes. */
      readonly otherLimit?: number;
    }
  | {
      readonly kind: 'refused';
      /** Until the vote may be free; null when the node cannot tell. */
      readonly remainingMs: number | null;
      /** A digest of the one who has it; null when there is more than one, or a stranger. */
      readonly holder: string | null;
      /** Slots of a semaphore that others have. */
      readonly taken: readonly number[];
      /** Another limit than the request's by which one of these goes. */
      readonly otherLimit?: number;
    }
  /** It was restarted or emptied, and takes no part for so long; null: its counter for this name is none, until somebody repairs it. */
  | { readonly kind: 'abstained'; readonly forMs: number | null };

/** A vote to be confirmed: see confirm.lua. */
export interface ConfirmRequest {
  readonly unit: Unit;
  readonly counter: number;
  readonly token: number;
}

/** A hold to be kept: see extend.lua. `counter` 0: this node has not voted for it. */
export interface ExtendRequest extends ConfirmRequest {
  readonly ttlMs: number;
  /** How long it is counted on yet: what a node gives a vote that some tool has taken the expiry from. */
  readonly restMs: number;
  /** Whether to put the vote back where it was lost. */
  readonly repair: boolean;
}

/** `stands`: it counts. A counter: it stands under this one, and counts the next time. null: it does not stand. */
export type Extension = 'stands' | { readonly counter: number } | null;

/** What to free. `quiet`: votes of an attempt that failed, by which nothing became free that was held. */
export interface ReleaseRequest {
  readonly name: string;
  readonly mode: HoldRequest['mode'];
  readonly owner: string;
  readonly quiet: boolean;
}

/** What became of a release on one node. */
export interface Release {
  readonly wasFreed: boolean;
  /** No request of this owner can take effect on the node any more. */
  readonly isFinal: boolean;
}

/** What names those who wait. */
export interface WaitKey {
  readonly name: string;
  readonly mode: HoldRequest['mode'];
  readonly permits: number;
  readonly limit: number;
}

/** How many of one manager stand in line for a name; 0 when nobody does any more. */
export interface WaiterNote {
  readonly name: string;
  readonly kind: LockKind;
  readonly waiters: number;
  /** For how long the first of them has waited. */
  readonly oldestWaitMs: number;
  /** For how long the node is to believe it. */
  readonly validMs: number;
}

export interface NodeHolder {
  readonly mode: HoldRequest['mode'];
  /** A digest of the owner's token, the same on all nodes; '' for another library's lock. */
  readonly id: string;
  readonly counter: number;
  readonly permits: number;
  readonly label: string;
  readonly remainingMs: number | null;
  /** Since its token's time; null for another library's lock. */
  readonly heldMs: number | null;
}

export interface NodeState {
  /** As managers have noted it; one for each manager that has noted nothing. */
  readonly waiters: number;
  /** null where nobody waits. */
  readonly oldestWaitMs: number | null;
  readonly holders: readonly NodeHolder[];
}

/** What a node says of itself. */
export interface NodeStatus {
  /** Changes with every start of the server. */
  readonly runId: string;
  /** null: nobody has set the node up, or it was emptied. */
  readonly marker: { readonly runId: string; readonly maxTtlMs: number } | null;
  readonly quarantineMs: number;
  readonly clockMicros: number;
  /** Counters that are none: the node abstains for their names. */
  readonly brokenFences: number;
}

export type MarkCommand =
  | { readonly what: 'set'; readonly token: string; readonly ms: number; readonly label: string }
  | { readonly what: 'keep'; readonly token: string; readonly ms: number }
  | { readonly what: 'drop'; readonly token: string }
  | { readonly what: 'read' | 'delete' };

/** A mark as one node has it. */
export interface NodeMark {
  /** A digest of the token that set it: 8 digits of the owner, 8 of the round. */
  readonly setter: string;
  readonly ageMs: number;
  readonly remainingMs: number;
  readonly label: string;
}

/** The mark, to set and read; or whether `keep` and `drop` found their own, and `delete` one that stood; or that the node abstains. */
export type MarkReply =
  | { readonly kind: 'mark'; readonly mark: NodeMark | null }
  | { readonly kind: 'done'; readonly isOwn: boolean }
  | { readonly kind: 'abstained'; readonly forMs: number | null };

/** What a node tells those who wait. */
export interface WakeTarget {
  /** The name may have become free on this node. null: what was reported before may have been missed. */
  onWake(wakeKey: string | null): void;
}

/**
 * One of the independent servers, reached by whatever means: ioredis in earnest, a simulated network in the simulator.
 *
 * Each promise settles when the request was answered or its connection has ended; it may take for ever, as nobody here
 * awaits it without a deadline. A rejection is a `NodeFailure`.
 */
export interface RedlockNode {
  /** For messages; carries no secret. */
  readonly label: string;
  /** The package by which the node is reached; null before the package is loaded. @default null */
  readonly driver?: string | null;
  /** A vote that reaches the node after `timeoutMs`, by its own clock, is refused there; an extension likewise. */
  acquire(requests: readonly VoteRequest[], timeoutMs: number): Promise<readonly Vote[]>;
  confirm(requests: readonly ConfirmRequest[], timeoutMs: number): Promise<readonly boolean[]>;
  extend(requests: readonly ExtendRequest[], timeoutMs: number): Promise<readonly Extension[]>;
  release(requests: readonly ReleaseRequest[], timeoutMs: number): Promise<readonly Release[]>;
  withdraw(waiting: WaitKey, timeoutMs: number): Promise<void>;
  noteWaiters(notes: readonly WaiterNote[], timeoutMs: number): Promise<void>;
  /** `set` and `delete` are refused when they come after `timeoutMs`. */
  mark(name: string, command: MarkCommand, timeoutMs: number): Promise<MarkReply>;
  /** The names of marks that stand. */
  markNames(prefix: string, timeoutMs: number): Promise<readonly string[]>;
  inspect(name: string, kind: LockKind, timeoutMs: number): Promise<NodeState>;
  forceRelease(name: string, kind: LockKind, timeoutMs: number): Promise<boolean>;
  status(command: 'look' | 'greet' | 'open' | 'close', timeoutMs: number): Promise<NodeStatus & { readonly done: boolean }>;
  /** Names that have a key now, in batches; may repeat itself. */
  scan(prefix: string, timeoutMs: number): AsyncIterable<readonly { readonly name: string; readonly kind: LockKind }[]>;
  /** What `onWake` will say for this. */
  wakeKey(name: string, mode: HoldRequest['mode']): string;
  /** Somebody waits from now on, until `unlisten` was called as often. */
  listen(): void;
  unlisten(): void;
  /** Resolves when all that was sent is answered, or after `timeoutMs`. */
  drain(timeoutMs: number): Promise<void>;
  close(): void;
}

/** Why a node gave no answer. */
export class NodeFailure extends Error {
  /** false: it was never sent, so it will never be carried out. */
  readonly mayHappen: boolean;
  /** false: waiting cannot help. */
  readonly retryable: boolean;

  constructor(reason: string, { mayHappen, retryable }: { readonly mayHappen: boolean; readonly retryable: boolean }) {
    super(reason);
    this.name = 'NodeFailure';
    this.mayHappen = mayHappen;
    this.retryable = retryable;
  }
}
