import { AsyncResource } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';
import type { Answer } from '../contract/backend.js';
import type { FencingToken } from '../contract/lease.js';
import type { HealthReport, NodeHealth } from '../contract/health.js';
import { isLockError, LockUnavailableError } from '../errors.js';
import { CONTEXT } from '../async-context.js';
import { Hold } from '../hold/hold.js';
import type { HoldPlan } from '../hold/hold-plan.js';
import { storeTtlMs } from '../hold/hold-times.js';
import { withToJSON } from '../json.js';
import { wasOurs } from '../calls/release-answer.js';
import type { StoreCall } from '../calls/store-calls.js';
import type { ManagerCore } from './manager-core.js';
import { LOCK } from './take-lease.js';

const HEALTH_TTL_MS = 5_000;

/** Takes and frees a lock that nobody else knows, and lets the backend look at what only it knows. Never rejects. */
export async function checkHealth<F extends FencingToken>(core: ManagerCore<F>, timeoutMs: number): Promise<HealthReport> {
  const { backend, calls, holds, asker } = core;
  const startedAt = calls.clock.now();
  const latencyMs = (): number => Math.max(0, calls.clock.now() - startedAt);
  const name = `holdfast:health:${randomUUID()}`;
  // Not longer than what this manager's own locks have: a store may bound it.
  const ttlMs = storeTtlMs(backend, Math.min(HEALTH_TTL_MS, core.defaults.ttlMs));
  const plan: HoldPlan = {
    ...core.defaults,
    ...LOCK,
    name,
    permits: 1,
    storeTtlMs: ttlMs,
    requestNo: 0,
    wasContended: false,
    key: name,
  };
  const hold = new Hold(plan, holds, new AsyncResource(CONTEXT));
  const store = (): { readonly backend: string; readonly driver?: string } =>
    typeof backend.driver === 'string' ? { backend: backend.name, driver: backend.driver } : { backend: backend.name };
  let nodes: { readonly nodes?: readonly NodeHealth[] } = {};
  try {
    core.assertOpen();
    let attempt!: StoreCall<readonly Answer[]>;
    const taking = new Promise<readonly Answer[]>((answered, failed) => {
      attempt = calls.start('attempt', 1, null, timeoutMs, (call) => backend.attempt([hold.request], call), { answered, failed });
    });
    const checked = calls.run('checkHealth', 1, null, (call) => backend.checkHealth(call), timeoutMs);
    const [taken, seen] = await Promise.allSettled([taking, checked]);
    if (seen.status === 'fulfilled' && seen.value !== undefined) nodes = { nodes: seen.value };
    if (taken.status === 'rejected') {
      asker.doubt([hold], attempt, taken.reason);
      throw taken.reason;
    }
    const left = Math.max(1, Math.ceil(timeoutMs - latencyMs()));
    const freed = await calls
      .run('release', 1, null, (call) => backend.release([hold.request], call), left)
      .catch((error: unknown) => {
        holds.dispatch(hold, { type: 'unanswered', isSettled: true });
        throw error;
      });
    await checked;
    if (taken.value[0]?.granted !== true || !wasOurs(freed[0])) {
      throw new LockUnavailableError('a lock that nobody else knows could not be taken and freed', { backend: backend.name });
    }
    return withToJSON({ ok: true, ...store(), latencyMs: latencyMs(), ...nodes } as const);
  } catch (error) {
    const failure = isLockError(error) ? error : calls.wrap(error, null);
    return withToJSON({ ok: false, ...store(), latencyMs: latencyMs(), error: failure, ...nodes } as const);
  }
}
