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
const LONG_HOLD_MS = 1_000;
const SHORT_HOLD_MS = 3;
const LOOK_EVERY_MS = 5;
/** What a call may end with instead of a lease; one that asks for several may lose one while it waits for the next. */
const OUTCOMES = new Set(['LOCK_TIMEOUT', 'LOCK_BACKEND_UNAVAILABLE', 'LOCK_CLOSED']);
const LOST = 'LOCK_LOST';
/** A caller that was refused asks again a little later. */
const PAUSE_MS = 20;

interface Taken {
  readonly hold: string;
  readonly lease: Lease<bigint | null>;
}

let count = 0;

/** One turn of one caller: it asks, holds what it got for a while, and gives it back. Never rejects. */
export async function takeTurn(way: Way, isLong: boolean, around: Surroundings): Promise<void> {
  const { random } = around;
  const isTry = random.chance(way.tries);
  const signals = random.chance(0.1) ? [AbortSignal.timeout(random.integer(1, 300))] : [];
  const signal = AbortSignal.any([around.abort(), ...signals]);
  const taken = await obtain(way, around, signal, () => (isTry ? way.tryAcquire({ signal }) : way.acquire({ signal })));
  if (taken.length === 0) return sleep(random.between(0, PAUSE_MS));
  const holdMs = isLong || random.chance(0.001) ? LONG_HOLD_MS : random.pick([0, SHORT_HOLD_MS]);
  await hold(taken, way.register, holdMs * random.random(), around);
  await giveBack(taken, around);
}

/**
 * Takes it once more. A store that still comes back, or a machine that is too busy to hear it, is asked again.
 *
 * @returns whether it was granted in `withinMs`
 */
export async function takeLast(way: Way, around: Surroundings, withinMs: number): Promise<boolean> {
  const deadline = performance.now() + withinMs;
  for (let leftMs = withinMs; leftMs > 0; leftMs = deadline - performance.now()) {
    const waitMs = Math.ceil(leftMs);
    const taken = await obtain(way, around, null, () => way.acquire({ waitMs }));
    await giveBack(taken, around);
    if (taken.length > 0) return true;
    await sleep(PAUSE_MS);
  }
  return false;
}

async function obtain(
  way: Way,
  { process, recorder, granted, unexpected }: Surroundings,
  signal: AbortSignal | null,
  ask: () => Promise<readonly (Lease<bigint | null> | null)[]>,
): Promise<readonly Taken[]> {
  const holds = way.parts.map((part) => {
    count += 1;
    const name = `${process}-${count}`;
    recorder.add({ what: 'acquire', hold: name, ...part });
    return name;
  });
  try {
    const leases = await ask();
    return holds.flatMap((name, index) => {
      const lease = leases[index] ?? null;
      if (lease === null) recorder.add({ what: 'refused', hold: name, why: 'busy' });
      else granted();
      return lease === null ? [] : [begin({ hold: name, lease }, recorder)];
    });
  } catch (error) {
    const why = signal?.aborted === true && error === signal.reason ? 'aborted' : isLockError(error) ? error.code : String(error);
    for (const name of holds) recorder.add({ what: 'refused', hold: name, why });
    const isExpected = why === 'aborted' || OUTCOMES.has(why) || (why === LOST && holds.length > 1);
    if (!isExpected) unexpected(`${way.parts[0]?.object}: ${why}`);
    return [];
  }
}

function begin(taken: Taken, recorder: Recorder): Taken {
  const { hold: name, lease } = taken;
  recorder.add({ what: 'acquired', hold: name, token: lease.fencingToken === null ? null : `${lease.fencingToken}` });
  const lost = (): void => recorder.add({ what: 'lost', hold: name, reason: reasonOf(lease.signal) });
  if (lease.signal.aborted) lost();
  else lease.signal.addEventListener('abort', lost, { once: true });
  look(taken, recorder);
  return taken;
}

function reasonOf({ reason }: AbortSignal): string {
  return isLockError(reason, LOST) ? reason.reason : String(reason);
}

/** The moment is taken before the lease is asked: a process that is stopped in between has believed no longer than that. */
function look({ hold: name, lease }: Taken, recorder: Recorder): void {
  const at = recorder.now;
  if (lease.isHeld) recorder.add({ what: 'believed', hold: name }, at);
}

async function hold(taken: readonly Taken[], register: string | null, forMs: number, around: Surroundings): Promise<void> {
  const { recorder } = around;
  const endsAt = recorder.now + 1e6 * forMs;
  if (register !== null) await Promise.all(taken.map((each) => update(each, register, around)));
  while (recorder.now < endsAt) {
    await sleep(Math.min(LOOK_EVERY_MS, (endsAt - recorder.now) / 1e6));
    for (const each of taken) look(each, recorder);
  }
}

/** Adds one to what the lock protects, in two steps: as somebody does who forgets to look at the lease before the second. */
async function update({ hold: name, lease }: Taken, register: string, { recorder, ask }: Surroundings): Promise<void> {
  if (lease.fencingToken === null) return;
  recorder.add({ what: 'read', update: name, object: register });
  const before = await ask(register, lease.fencingToken, null);
  if (!before.accepted) return;
  recorder.add({ what: 'write', update: name, from: before.value });
  const { accepted } = await ask(register, lease.fencingToken, before.value + 1);
  recorder.add({ what: 'written', update: name, accepted });
}

async function giveBack(taken: readonly Taken[], { recorder, unexpected }: Surroundings): Promise<void> {
  await Promise.all(
    taken.map(async ({ hold: name, lease }) => {
      recorder.add({ what: 'release', hold: name });
      try {
        recorder.add({ what: 'released', hold: name, freed: await lease.release() });
      } catch (error) {
        recorder.add({ what: 'released', hold: name, freed: null });
        if (!isLockError(error, 'LOCK_BACKEND_UNAVAILABLE')) unexpected(`release of ${lease.name}: ${String(error)}`);
      }
    }),
  );
}
