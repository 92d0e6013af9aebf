import { type CallContext, type HoldRequest, type Lease, type LockManager, LockUnavailableError } from '@holdfast/core';
import { type MigrationPhase, type MigrationSide, sidesOf } from './phase.js';
import { take } from './side-holds.js';
import { disposeSides, type SideLease } from './stacked-hold.js';

/** The phase changed while somebody waited: the wait begins anew, in the new phase. */
export class PhaseChanged extends Error {}

/** What a wait needs besides its request. */
export interface SideWait {
  readonly phase: MigrationPhase;
  readonly backend: string;
  readonly onRestart: (restart: () => void) => { close(): void };
  /** Called when the wait for a side begins; what it returns is called when it ends. `fail` ends the whole wait. */
  readonly watching: (side: MigrationSide, fail: (error: LockUnavailableError) => void) => () => void;
}

/** What is held while the next side is waited for is kept at a quarter of its ttl: nobody else renews it yet. */
const KEEP_PARTS = 4;

/**
 * Waits for one side after the other, in the fixed order.
 *
 * @throws PhaseChanged when the phase changes meanwhile
 * @throws LockUnavailableError LOCK_BACKEND_UNAVAILABLE when a side is lost while the next is waited for
 * @throws what `call.signal` aborts with, or a side's own error; in each case nothing is held
 */
export async function waitForSides(
  sides: Readonly<Record<MigrationSide, LockManager>>,
  request: HoldRequest,
  call: CallContext,
  wait: SideWait,
): Promise<readonly SideLease[]> {
  call.signal.throwIfAborted();
  const held: SideLease[] = [];
  const end = new AbortController();
  const onAbort = (): void => {
    end.abort(call.signal.reason);
  };
  call.signal.addEventListener('abort', onAbort, { once: true });
  const restart = wait.onRestart(() => {
    end.abort(new PhaseChanged());
  });
  const keepers: (() => void)[] = [];
  try {
    for (const side of sidesOf(wait.phase)) {
      const watched = wait.watching(side, (error) => end.abort(error));
      try {
        // oxlint-disable-next-line no-await-in-loop
        const lease = await take(sides[side], request, end.signal);
        held.push({ side, lease });
        const lost = (): void => {
          end.abort(lostMeanwhile(request.name, side, wait.backend));
        };
        lease.signal.addEventListener('abort', lost, { once: true });
        const stop = keep(lease, request.ttlMs, call);
        keepers.push(() => {
          stop();
          lease.signal.removeEventListener('abort', lost);
        });
      } finally {
        watched();
      }
    }
    // A look at the lease is a look at the clock: its timer may not have come to its turn.
    for (const { side, lease } of held) if (!lease.isHeld) throw lostMeanwhile(request.name, side, wait.backend);
    return held;
  } catch (error) {
    await disposeSides(held);
    throw end.signal.aborted ? end.signal.reason : error;
  } finally {
    for (const stop of keepers) stop();
    restart.close();
    call.signal.removeEventListener('abort', onAbort);
  }
}

/** Extends a lease again and again until it is asked to stop. One that cannot be extended is lost by its own deadline. */
function keep(lease: Lease, ttlMs: number, call: CallContext): () => void {
  let timer: { cancel(): void };
  const plan = (): void => {
    timer = call.clock.setTimer(ttlMs / KEEP_PARTS, () => {
      plan();
      lease.extend(ttlMs).catch(() => {});
    });
  };
  plan();
  return () => timer.cancel();
}

function lostMeanwhile(name: string, side: MigrationSide, backend: string): LockUnavailableError {
  return new LockUnavailableError(`${JSON.stringify(name)} was lost on the side "${side}" while the other was waited for`, {
    backend,
    lockName: name,
  });
}
