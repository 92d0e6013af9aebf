import { setTimeout as sleep } from 'node:timers/promises';
import { isLockError, type Lease } from '@holdfast/core';
import type { Random } from '@holdfast/test/simulation';
import type { Way } from './objects.js';
import type { Recorder } from './recorder.js';

/** What every caller of a process shares. */
export interface Surroundings {
  readonly process: string;
  readonly recorder: Recorder;
  readonly random: Random;
  /** Aborts when the callers are to give up what they wait for. */
  readonly abort: () => AbortSignal;
  /** Asks the register; never settles when the answer is lost. */
  readonly ask: (object: string, token: bigint, write: number | null) => Promise<{ readonly accepted: boolean; readonly value: number }>;
  readonly granted: () => void;
  /** An outcome that no fault explains. */
  readonly unexpected: (what: string) => void;
}

/** Long enough that a fault falls into many of them. */
const LONG_HOLD_MS = 1_500;
const SHORT_HOLD_MS = 4;
/** What a call may end with instead of a lease. */
const OUTCOMES = new Set(['LOCK_TIMEOUT', 'LOCK_BACKEND_UNAVAILABLE', 'LOCK_CLOSED', 'LOCK_LOST']);
/** A caller that was refused asks again a little later. */
const PAUSE_MS = 20;

let count = 0;

/** One turn of one caller: it asks for an object, holds it for a while, and gives it back. Never rejects. */
export async function takeTurn(way: Way, around: Surroundings): Promise<void> {
  const { random } = around;
  const isTry = random.chance(0.15);
  const signals = random.chance(0.1) ? [AbortSignal.timeout(random.integer(1, 300))] : [];
  const signal = AbortSignal.any([around.abort(), ...signals]);
  const lease = await obtain(way, around, signal, () => (isTry ? way.tryAcquire({ signal }) : way.acquire({ signal })));
  if (lease === null) await sleep(random.between(0, PAUSE_MS));
  else await use(lease, way, around);
}

/** Takes the object once more, for which there is all the time of a run. @returns whether it was granted */
export async function takeLast(way: Way, around: Surroundings, waitMs: number): Promise<boolean> {
  const lease = await obtain(way, around, null, () => way.acquire({ waitMs }));
  if (lease === null) return false;
  await giveBack(lease, around);
  return true;
}

interface Taken {
  readonly hold: string;
  readonly lease: Lease<bigint | null>;
}

async function obtain(
  way: Way,
  { process, recorder, granted, unexpected }: Surroundings,
  signal: AbortSignal | null,
  ask: () => Promise<Lease<bigint | null> | null>,
): Promise<Taken | null> {
  count += 1;
  const hold = `${process}-${count}`;
  recorder.add({ what: 'acquire', hold, object: way.object, mode: way.mode, permits: way.permits });
  try {
    const lease = await ask();
    if (lease === null) {
      recorder.add({ what: 'refused', hold, why: 'busy' });
      return null;
    }
    granted();
    recorder.add({ what: 'acquired', hold, token: lease.fencingToken === null ? null : `${lease.fencingToken}` });
    const lost = () => recorder.add({ what: 'lost', hold, reason: reasonOf(lease.signal) });
    if (lease.signal.aborted) lost();
    else lease.signal.addEventListener('abort', lost, { once: true });
    look({ hold, lease }, recorder);
    return { hold, lease };
  } catch (error) {
    const why = signal?.aborted === true && error === signal.reason ? 'aborted' : isLockError(error) ? error.code : String(error);
    recorder.add({ what: 'refused', hold, why });
    if (why !== 'aborted' && !OUTCOMES.has(why)) unexpected(`${way.object}: ${why}`);
    return null;
  }
}

function reasonOf({ reason }: AbortSignal): string {
  return isLockError(reason, 'LOCK_LOST') ? reason.reason : String(reason);
}

/** The moment is taken before the lease is asked: a process that is stopped in between has believed no longer than that. */
function look({ hold, lease }: Taken, recorder: Recorder): void {
  const at = recorder.now;
  if (lease.isHeld) recorder.add({ what: 'believed', hold }, at);
}

async function use(taken: Taken, way: Way, around: Surroundings): Promise<void> {
  const { random, recorder } = around;
  const endsAt = recorder.now + 1e6 * (random.chance(0.01) ? LONG_HOLD_MS : random.between(0, SHORT_HOLD_MS));
  if (way.register !== null) await update(taken, way.register, around);
  while (recorder.now < endsAt) {
    await sleep(Math.min(SHORT_HOLD_MS, (endsAt - recorder.now) / 1e6));
    look(taken, recorder);
  }
  await giveBack(taken, around);
}

/** Adds one to what the lock protects, in two steps: as somebody does who forgets to look at the lease before the second. */
async function update({ hold, lease }: Taken, register: string, { recorder, ask }: Surroundings): Promise<void> {
  if (lease.fencingToken === null) return;
  recorder.add({ what: 'read', update: hold, object: register });
  const before = await ask(register, lease.fencingToken, null);
  if (!before.accepted) return;
  recorder.add({ what: 'write', update: hold, from: before.value });
  const { accepted } = await ask(register, lease.fencingToken, before.value + 1);
  recorder.add({ what: 'written', update: hold, accepted });
}

async function giveBack({ hold, lease }: Taken, { recorder, unexpected }: Surroundings): Promise<void> {
  recorder.add({ what: 'release', hold });
  try {
    recorder.add({ what: 'released', hold, freed: await lease.release() });
  } catch (error) {
    recorder.add({ what: 'released', hold, freed: null });
    if (!isLockError(error, 'LOCK_BACKEND_UNAVAILABLE')) unexpected(`release of ${lease.name}: ${String(error)}`);
  }
}
