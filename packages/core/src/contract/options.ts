// `| undefined` everywhere: callers under exactOptionalPropertyTypes forward maybe-undefined values.

/** What every way of taking a hold accepts. All durations are integer milliseconds. */
export interface LeaseOptions {
  /**
   * How long the store keeps the hold without a renewal; NOT the longest a task may take (see `maxHoldMs`).
   * From 1 to 2^31-1.
   * @default 30_000
   */
  readonly ttlMs?: number | undefined;
  /**
   * Whether the lease is renewed at a third of its ttl for as long as it is held.
   * @default true
   */
  readonly renew?: boolean | undefined;
  /**
   * Renewal ends here and the lease is lost (reason `'max-hold'`): the bound on a hung task. From 1, or Infinity.
   * @default Infinity
   */
  readonly maxHoldMs?: number | undefined;
  /**
   * Who holds it, for people: shown by `inspect` and in errors of those who wait. Never used to decide ownership. At most
   * 1,024 bytes of UTF-8.
   * @default `${hostname}:${pid}`
   */
  readonly label?: string | undefined;
  /** Ends the wait, or a single attempt. No effect once granted. */
  readonly signal?: AbortSignal | undefined;
}

/** Options of `acquire` and `withLock`: those of a lease, and how long to wait for it. */
export interface AcquireOptions extends LeaseOptions {
  /**
   * How long to wait, in milliseconds; 0 is exactly one attempt.
   * @default the manager's `waitMs`, which is Infinity
   */
  readonly waitMs?: number | undefined;
}

/** Options of the `try` methods. A shared `AcquireOptions` object must not compile where waiting is impossible. */
export interface TryOptions extends LeaseOptions {
  /** A `try` method never waits; use `acquire` for that. */
  readonly waitMs?: undefined;
}

/** How many permits of a semaphore one call takes. */
export interface PermitCount {
  /**
   * From 1 to the semaphore's limit, and to `capabilities.maxPermits` where the store has an entry for each permit.
   * @default 1
   */
  readonly permits?: number | undefined;
}

/** Options of `detach`. */
export interface DetachOptions {
  /**
   * For how long the store keeps the hold from now on, in milliseconds, unless it is adopted and renewed. From 1 to 2^31-1; never shorter than
   * the hold already has.
   * @default the lease's own `ttlMs`
   */
  readonly ttlMs?: number | undefined;
}

/** Options of `adopt`: those of a lease, but for what the store knows already. */
export interface AdoptOptions extends Pick<LeaseOptions, 'renew' | 'maxHoldMs'> {
  /**
   * How long the store keeps the hold without a renewal, in milliseconds. From 1 to 2^31-1; never shorter than the hold already has.
   * @default `ttlMs` of the ticket
   */
  readonly ttlMs?: number | undefined;
}

/** Options of `close`. */
export interface CloseOptions {
  /**
   * How long holders may finish before their signals abort and their holds are freed.
   * @default 0
   */
  readonly drainMs?: number | undefined;
}
