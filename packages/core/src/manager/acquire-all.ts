import type { FencingToken } from '../contract/lease.js';
import type { Names } from '../contract/manager.js';
import type { AcquireOptions, TryOptions } from '../contract/options.js';
import { isLockError, LockArgumentError, LockTimeoutError } from '../errors.js';
import { HeldLease } from '../lease/held-lease.js';
import type { HoldPlan } from '../lease/hold-plan.js';
import type { HoldRecord } from '../lease/hold-record.js';
import { HeldLeaseGroup } from '../lease/lease-group.js';
import { HeldLeaseMap } from '../lease/lease-map.js';
import { refuseReentry } from '../reentry.js';
import { lockTarget, type ManagerCore } from './manager-core.js';
import { sortedNames } from './resolve-options.js';

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
  const resolved = core.resolve(where, options);
  const plans = sorted.map((name) => core.plan(lockTarget(name), resolved));
  for (const plan of plans) refuseReentry(core.keeper, plan, core.backend.name);
  const { waitMs, signal } = resolved;
  const startedAt = core.calls.clock.now();
  const held: HoldRecord[] = [];
  try {
    while (held.length < plans.length) {
      held.push(...(await takePrefix(core, plans.slice(held.length), signal)));
      const next = plans[held.length];
      if (next === undefined) break;
      // Closed while what lies behind a busy name was freed: nobody would end the wait that begins here.
      core.assertOpen(next.name);
      const left = waitMs === Number.POSITIVE_INFINITY ? waitMs : Math.max(0, Math.ceil(waitMs - (core.calls.clock.now() - startedAt)));
      // Of several names some were answered already, and the wait for all is one.
      held.push(await core.acquirePlan(next, { waitMs: left, signal, wasHeard: plans.length > 1 }));
    }
    core.assertOpen();
    // The first may have been lost while the last was waited for.
    for (const record of held) core.keeper.assertHeld(record);
  } catch (error) {
    await core.releaser.releaseMany([...held].reverse());
    if (!isLockError(error, 'LOCK_TIMEOUT')) throw error;
    // The wait that is told is that of the whole group.
    const { message, lockName, backend, holders } = error;
    const waitedMs = Math.max(error.waitedMs, Math.round(core.calls.clock.now() - startedAt));
    throw new LockTimeoutError(message, { lockName, backend, holders, waitedMs });
  }
  return new HeldLeaseGroup(
    sorted,
    held.map((record) => new HeldLease<F>(record, core)),
    core,
  );
}

/** Asks for all in one call and keeps those before the first that is busy. */
async function takePrefix<F extends FencingToken>(
  core: ManagerCore<F>,
  plans: readonly HoldPlan[],
  signal: AbortSignal | undefined,
): Promise<readonly HoldRecord[]> {
  // One name is better asked for by a wait: it stands in line.
  if (plans.length < 2) return [];
  const outcomes = await core.acquirer.tryMany(plans, signal, { tellsBusy: false });
  const firstBusy = outcomes.indexOf(null);
  if (firstBusy < 0) return outcomes.filter((outcome) => outcome !== null);
  const behind = outcomes.slice(firstBusy).filter((outcome) => outcome !== null);
  const prefix = outcomes.slice(0, firstBusy).filter((outcome) => outcome !== null);
  if (behind.length > 0) await core.releaser.releaseMany(behind.reverse());
  return prefix;
}

/** Takes those that are free, in one round trip. */
export async function tryAcquireEach<N extends string, F extends FencingToken>(
  core: ManagerCore<F>,
  names: Names<N>,
  options: TryOptions | undefined,
): Promise<HeldLeaseMap<N, F>> {
  const where = 'tryAcquireEach';
  const sorted = sortedNames(where, names);
  const resolved = core.resolve(where, options);
  core.assertOpen();
  const plans = sorted.map((name) => core.plan(lockTarget(name), resolved));
  const map = new HeldLeaseMap<N, F>(core);
  const records = await core.acquirer.tryMany(plans, resolved.signal);
  for (const [index, name] of sorted.entries()) {
    const record = records[index];
    if (record !== null && record !== undefined) map.set(name, new HeldLease<F>(record, core));
  }
  return map;
}
