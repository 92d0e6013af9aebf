import type { HolderState, LockKind } from './state.js';

/**
 * A lease as it passes from one process to another: what `LockManager.detach` returns and `LockManager.adopt` takes. Plain data, for JSON.
 * **A secret**: the one who has it can renew the hold and free it. Keep it out of logs and of lists of processes.
 */
export interface LeaseTicket {
  /** What is held. */
  readonly name: string;
  /** What the name is the name of. */
  readonly kind: LockKind;
  /** How it is held. */
  readonly mode: HolderState['mode'];
  /** How many permits; 1 for everything but permits. */
  readonly permits: number;
  /** How many permits the semaphore has; 1 for everything but permits. */
  readonly limit: number;
  /** The owner token: 32 lower-case hex digits. */
  readonly owner: string;
  /** The fencing token in decimal digits; null for permits, and where the store has none. */
  readonly fencingToken: string | null;
  /** The ttl of the lease in milliseconds, from 1 to 2^31-1: what `adopt` asks for where its options do not say. */
  readonly ttlMs: number;
}
