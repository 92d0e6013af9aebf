import type { Hold } from '../contract/lease.js';
import { LockLostError } from '../errors.js';
import { runHolding } from '../reentry.js';
import type { Hold as StoreHold } from '../hold/hold.js';
import type { HoldRunner } from '../hold/hold-runner.js';

/**
 * Runs a task under a hold and frees the hold afterwards.
 *
 * The task's own error always wins, except one that is the loss, or was caused by it (`fetch` rejects with the
 * signal's reason; timers and streams wrap it). A task that finished after a loss did so without the lock, also when
 * only the release reveals that it was gone: its result is reported inside LOCK_LOST. A failed release replaces neither; the event `release-failed` reports it.
 */
export async function runTask<L extends Hold, T>(
  runner: HoldRunner,
  lease: L,
  holds: readonly StoreHold[],
  task: (lease: L) => T | PromiseLike<T>,
): Promise<T> {
  let outcome: PromiseSettledResult<T>;
  try {
    outcome = { status: 'fulfilled', value: await runHolding(runner, holds, runner.traced(holds, task), lease) };
  } catch (error) {
    outcome = { status: 'rejected', reason: error };
  }
  // The clock, not the timer, says whether the task ended in time.
  let lost: LockLostError | null = null;
  for (const hold of holds) if (!runner.isHeld(hold)) lost ??= hold.lost;
  try {
    await lease.release();
  } catch {
    // Reported by the event 'release-failed'; the release goes on in the background.
  }
  for (const hold of holds) if (hold.wasGone) lost ??= runner.errorOf(hold, 'taken');
  if (lost !== null && (outcome.status === 'fulfilled' || isCausedBy(outcome.reason, lost))) throw withOutcome(lost, outcome);
  if (outcome.status === 'rejected') throw outcome.reason;
  return outcome.value;
}

function isCausedBy(error: unknown, loss: LockLostError): boolean {
  // A cause may be its own ancestor; no real chain is this long.
  for (let depth = 0; depth < 16; depth += 1) {
    if (error === loss) return true;
    if (!(error instanceof Error)) return false;
    error = error.cause;
  }
  return false;
}

function withOutcome(lost: LockLostError, outcome: PromiseSettledResult<unknown>): LockLostError {
  const { message, lockName, backend, reason, fencingToken } = lost;
  return new LockLostError(message, { lockName, backend, reason, fencingToken, outcome, cause: lost });
}
