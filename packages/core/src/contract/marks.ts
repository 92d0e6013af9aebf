import type { CallContext } from './call-context.js';

/** What a mark says of the work: it was done; it failed, and must not be tried again yet; it was begun, and counts as done. */
export type MarkOutcome = 'succeeded' | 'failed' | 'started';

/** How a mark is set. */
export interface MarkOptions {
  /** For how long the mark stands, in milliseconds by the store's clock: from 1 to 315,576,000,000, which is ten years. */
  readonly retentionMs: number;
  /**
   * Who sets it, 1 to 512 bytes: asked twice by one owner, the same `set` is answered true twice, so that a lost reply can be asked for
   * again. When left out, each call has an owner of its own.
   */
  readonly owner?: string | undefined;
  /** Who set it, for people; at most 1,024 bytes. @default the manager's `label` */
  readonly label?: string | undefined;
  /** What it says of the work. @default 'succeeded' */
  readonly outcome?: MarkOutcome | undefined;
}

/** A mark that stands: a snapshot, by the store's clock. No history: a mark is gone with its time. */
export interface MarkState {
  /** The name of the mark. */
  readonly name: string;
  /** What it says of the work. */
  readonly outcome: MarkOutcome;
  /** How long ago it was set, in milliseconds. */
  readonly ageMs: number;
  /** For how long it still stands, in milliseconds. */
  readonly remainingMs: number;
  /** Who set it, for people; null where that is not known. */
  readonly label: string | null;
}

/**
 * Marks that say "this was done already", kept by the store's clock. While a manager is closing, a task that still holds a lease of it
 * may use the marks until the lease ends, so that finished work is noted.
 */
export interface CompletionMarks {
  /**
   * Sets a mark.
   *
   * @returns false when a mark of another owner stood already; that mark is unchanged
   */
  set(name: string, options: MarkOptions): Promise<boolean>;
  /** Whether the mark stands. */
  has(name: string): Promise<boolean>;
  /** Sets several, in one request where the store can: the answers of `set`, in their order. Rejects when any answer is unknown. */
  setEach(marks: readonly (MarkOptions & { readonly name: string })[]): Promise<readonly boolean[]>;
  /** Whether each of several stands, in one request where the store can. Rejects when any answer is unknown. */
  hasEach(names: readonly string[]): Promise<readonly boolean[]>;
  /**
   * What is known of a mark; null when it does not stand.
   *
   * @throws LockUnsupportedError LOCK_UNSUPPORTED where the backend cannot tell
   */
  get(name: string): Promise<MarkState | null>;
  /**
   * Deletes a mark.
   *
   * @returns whether it stood
   * @throws LockUnsupportedError LOCK_UNSUPPORTED where the backend cannot
   */
  delete(name: string): Promise<boolean>;
  /**
   * The marks that stand and whose names begin with `prefix`.
   *
   * @throws LockUnsupportedError LOCK_UNSUPPORTED where the backend cannot list them
   */
  list(options?: { readonly prefix?: string | undefined }): AsyncIterable<MarkState>;
}

/** Who sets a mark. */
export interface MarkSetter {
  /** 32 lower-case hex digits: by it a repeated `set` is known. */
  readonly owner: string;
  /** Kept with the mark and given back as it is: the outcome, a space, and who it was, for people. */
  readonly label: string;
}

/** One mark to be set. */
export interface MarkRequest extends MarkSetter {
  /** The name of the mark. */
  readonly name: string;
  /** Up to ten years: more than a timer, or 32 bits, can count. */
  readonly retentionMs: number;
}

/** A mark as its store has it. */
export interface StoredMark {
  /** The name of the mark. */
  readonly name: string;
  /** What it was set with; null where it was set without a label. */
  readonly label: string | null;
  /** How long ago it was set, in milliseconds by the store's clock. */
  readonly ageMs: number;
  /** How long it still stands, in milliseconds by the store's clock. */
  readonly remainingMs: number;
}

/**
 * The marks of a backend. `set` is idempotent per (name, owner): asked again, it is true again while the mark stands, and the mark
 * keeps its end. Where requests expire, so do `set`, `setEach` and `delete`: one that comes later than its call allows changes nothing,
 * so that it neither brings a deleted mark back nor takes a new one away. Where an optional member is missing, core uses the others or answers LOCK_UNSUPPORTED.
 */
export interface BackendMarks {
  /** Core always passes a `setter`; without it the call is not idempotent. */
  set(name: string, retentionMs: number, call: CallContext, setter?: MarkSetter): Promise<boolean>;
  /** Whether the mark stands. */
  has(name: string, call: CallContext): Promise<boolean>;
  /** Up to 1,000 in one request, of different names. Rejects when any answer is unknown. */
  setEach?(marks: readonly MarkRequest[], call: CallContext): Promise<readonly boolean[]>;
  /** Up to 1,000 in one request. Rejects when any answer is unknown. */
  hasEach?(names: readonly string[], call: CallContext): Promise<readonly boolean[]>;
  /** The mark, or null when it does not stand. */
  get?(name: string, call: CallContext): Promise<StoredMark | null>;
  /** Whether it stood. */
  delete?(name: string, call: CallContext): Promise<boolean>;
  /** The marks that stand and whose names begin with `prefix`. */
  list?(prefix: string, call: CallContext): AsyncIterable<StoredMark>;
}
