/** What a backend can do. Users see it as `manager.capabilities`; the conformance suite runs by it. */
export interface Capabilities {
  /** Grants of locks and of read/write locks have a fencing token. */
  readonly fencing: boolean;
  /** Has `semaphore`. */
  readonly semaphores: boolean;
  /**
   * How many permits one request may take; core refuses more with LOCK_INVALID_ARGUMENT, before any I/O. For a store that
   * keeps an entry for each permit: without a bound one call could stop a server. The limit of a semaphore has no other bound than 2^31-1.
   * @default 2_147_483_647, for a store that keeps a number
   */
  readonly maxPermits?: number | undefined;
  /** Has `readWriteLock`. */
  readonly readWriteLocks: boolean;
  /** First come, first served over all clients of the store. Without it a newcomer may overtake waiters. */
  readonly fair: boolean;
  /** Wakes waiters by a message. Without it waiters poll. */
  readonly push: boolean;
  /** Has completion marks: `manager.marks` is not null. */
  readonly marks: boolean;
  /** Can enumerate held names (PostgreSQL advisory keys are hashes: false there). */
  readonly list: boolean;
  /**
   * Reports a semaphore whose holders go by another limit than the request: the event `limit-differs`. Nobody is refused for it.
   * @default false
   */
  readonly reportsLimits?: boolean | undefined;
  /** What frees the hold of a dead holder: its time to live, or the end of its session. */
  readonly expiry: 'ttl' | 'session';
}
