/**
 * The only source of time, timers and randomness in Holdfast. Tests and simulators inject their own.
 *
 * Two readings of the time are kept because neither alone is safe: a monotonic clock may stand still while a
 * machine is suspended, a wall clock may be set back. Elapsed time is the larger of the two differences.
 */
export interface Clock {
  /** Monotonic milliseconds; only differences mean anything. */
  now(): number;
  /** Wall-clock milliseconds since the Unix epoch. */
  wall(): number;
  /** Calls `fire` once after `delayMs`. The timer is unref'd: it never keeps a process alive. */
  setTimer(
    delayMs: number,
    fire: () => void,
  ): {
    /** Cancels the timer; has no effect once the timer has fired. */
    cancel(): void;
  };
  /** A number in [0, 1), for jitter. */
  random(): number;
}
