import type { HolderState, LockKind } from './state.js';

/** What the tracing channels publish: one object from `start` to `asyncEnd`. Never carries an owner token. */
interface TraceBase {
  /** The method of the manager that was called. */
  readonly operation: string;
  readonly backend: string;
  /** `LockManager.id` of the manager. */
  readonly managerId: string;
  /** `requestId` of the events of each name. */
  readonly requestIds: readonly string[];
  readonly names: readonly string[];
  readonly kind: LockKind;
  readonly mode: HolderState['mode'];
  /** How many permits; 1 for all but permits. */
  readonly permits: number;
  readonly label: string;
  /** What the call was rejected with. */
  readonly error?: unknown;
}

/**
 * Of `tracing:holdfast:acquire:*`: the taking of one hold, or of several with one call. `bindStore` on `start` reaches what the caller
 * waits for, never what the manager does in the background.
 */
export interface AcquireTrace extends TraceBase {
  /** In milliseconds; 0 for the methods that do not wait. */
  readonly waitMs: number;
  /** `busy`: a method that does not wait found the hold taken, or some of several. Left out while the call runs, and when it rejects. */
  readonly outcome?: 'granted' | 'busy';
  readonly contended?: boolean;
  /**
   * For a listener of `start` to set: up to 256 bytes of text that the store keeps beside the label, such as a W3C `traceparent`, which
   * `HolderState.traceparent` then shows. Left out where it is longer, or has no room beside a long label.
   */
  annotation?: unknown;
}

/** Of `tracing:holdfast:hold:*`: a task of one of the `with…` methods. */
export type HoldTrace = TraceBase;
