import type { FencingToken } from '../contract/lease.js';
import type { Names } from '../contract/manager.js';
import type { AcquireOptions, TryOptions } from '../contract/options.js';
import { type AnyLockError, isLockError, LockArgumentError, LockTimeoutError } from '../errors.js';
import { HeldLease } from '../lease/held-lease.js';
import type { HoldPlan } from '../hold/hold-plan.js';
import type { Hold } from '../hold/hold.js';
import { HeldLeaseGroup } from '../lease/lease-group.js';
import { HeldLeaseMap } from '../lease/lease-map.js';
import { refuseReentry } from '../lease/run-task.js';
import { isRetryable } from '../calls/is-for-good.js';
import { isReasonOf } from '../calls/is-reason-of.js';
import type { RestLimits } from '../waiting/wait.js';
import type { ManagerCore } from './manager-core.js';
import { type ResolvedLeaseOptions, sortedNames } from './resolve-options.js';
import { LOCK, planOf, takePlan } from './take-lease.js';

/**
 * Takes all names or none, in code-unit order.
 *
 * What is free is taken in one round trip. While it waits for one name it holds only names in front of it, so two
 * callers never hold what the other waits for; what the batch took behind that name is freed first.
 */
export async function acquireAll<N extends string, F extends FencingToken>(
  core: ManagerCore<F>,
  where: string,
  names: Names<N>,
  options: AcquireOptions | undefined,
): Promise<HeldLeaseGroup<N, F>> {
  const sorted = sortedNames(where, names);
  if (sorted.length === 0) {
    throw new LockArgumentError(`${where}: names is empty; it must hold at least one name`, { option: 'names' });
  }
  const resolved = core.resolve(where, options, LOCK);
  const plans = sorted.map((name) => planOf(core, name, LOCK, resolved));
  for (const plan of plans) refuseReentry(core.holds, plan, core.backend.name);
  return await core.traced(
    where,
    plans,
    resolved.waitMs,
    () => takeAll(core, sorted, plans, resolved),
    () => 'granted',
  );
}

async function takeAll<N extends string, F extends FencingToken>(
  core: ManagerCore<F>,
  sorted: readonly N[],
  plans: readonly HoldPlan[],
  { waitMs, signal }: ResolvedLeaseOptions,
): Promise<HeldLeaseGroup<N, F>> {
  const { clock } = core.calls;
  const startedAt = clock.now();
  // Where time is left for a wait, the last name still gets one request.
  const leftMs = (): number =>
    waitMs === 0 || waitMs === Number.POSITIVE_INFINITY ? waitMs : Math.max(1, Math.ceil(waitMs - (clock.now() - startedAt)));
  const held: Hold[] = [];
  try {
    while (held.length < plans.length) {
      const batch = plans.slice(held.length);
      const { holds, failure } = await takePrefix(core, batch, signal, waitMs === 0 ? null : leftMs());
      held.push(...holds);
      const next = plans[held.length];
      if (next === undefined) break;
      // Closed while the store was asked: nobody would end the wait that begins here.
      core.assertOpen(next.name);
      // Of several names some were answered already, and the wait for all is one.
      const rest: RestLimits = { waitMs: leftMs(), signal, wasHeard: plans.length > 1 && failure === undefined, failure };
      held.push(await takePlan(core, next, rest));
    }
    core.assertOpen();
    // The first may have been lost while the last was waited for.
    for (const hold of held) core.holds.assertHeld(hold);
  } catch (error) {
    free(core, held);
    if (isReasonOf(signal, error) || !isLockError(error, 'LOCK_TIMEOUT')) throw error;
    // The wait that is reported is that of the whole group.
    const { message, lockName, backend, holders } = error;
    const waitedMs = Math.max(error.waitedMs, Math.round(clock.now() - startedAt));
    throw new LockTimeoutError(message, { lockName, backend, holders, waitedMs });
  }
  return new HeldLeaseGroup(
    sorted,
    held.map((hold) => new HeldLease<F>(hold, core)),
    core,
  );
}

/**
 * Asks for all in one call and keeps those before the first that is busy.
 *
 * @param leftMs of the wait; null where nobody waits
 * @returns what was taken; `failure`: how the store failed, which a wait rides out
 */
async function takePrefix<F extends FencingToken>(
  core: ManagerCore<F>,
  plans: readonly HoldPlan[],
  signal: AbortSignal | undefined,
  leftMs: number | null,
): Promise<{ readonly holds: readonly Hold[]; readonly failure?: AnyLockError }> {
  // One name is better asked for by a wait: it stands in line.
  if (plans.length < 2) return { holds: [] };
  let outcomes: readonly (Hold | null)[];
  try {
    outcomes = await core.acquirer.tryMany(plans, signal, {
      isFirstOfWait: leftMs !== null,
      ...(leftMs === null ? {} : { atMostMs: leftMs }),
    });
  } catch (error) {
    if (leftMs !== null && !isReasonOf(signal, error) && isLockError(error) && isRetryable(error)) return { holds: [], failure: error };
    throw error;
  }
  const firstBusy = outcomes.indexOf(null);
  if (firstBusy < 0) return { holds: outcomes.filter((outcome) => outcome !== null) };
  free(
    core,
    outcomes.slice(firstBusy).filter((outcome) => outcome !== null),
  );
  return { holds: outcomes.slice(0, firstBusy).filter((outcome) => outcome !== null) };
}

/** Frees in reverse, in the background: the caller's time is not spent on a store that does not answer. */
function free<F extends FencingToken>(core: ManagerCore<F>, holds: readonly Hold[]): void {
  core.holds.release([...holds].reverse());
}

/** Takes those that are free, in one round trip. */
export async function tryAcquireEach<N extends string, F extends FencingToken>(
  core: ManagerCore<F>,
  names: Names<N>,
  options: TryOptions | undefined,
): Promise<HeldLeaseMap<N, F>> {
  const where = 'tryAcquireEach';
  const sorted = sortedNames(where, names);
  const resolved = core.resolve(where, options, LOCK);
  core.assertOpen();
  const plans = sorted.map((name) => planOf(core, name, LOCK, resolved));
  const map = new HeldLeaseMap<N, F>(core);
  const holds = await core.traced(
    where,
    plans,
    0,
    () => core.acquirer.tryMany(plans, resolved.signal),
    (found) => (found.includes(null) ? 'busy' : 'granted'),
  );
  for (const [index, name] of sorted.entries()) {
    const hold = holds[index] ?? null;
    if (hold !== null) map.set(name, new HeldLease<F>(hold, core));
  }
  return map;
}
