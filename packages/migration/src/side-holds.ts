import type { AcquireOptions, HoldRequest, Lease, LockKind, LockManager, LockState, Semaphore, TryOptions } from '@holdfast/core';

// To look at a semaphore or to free it, its limit does not matter.
const ANY_PERMITS = { permits: 1 };

/** What takes a hold of one mode on one side. */
interface Taker {
  acquire(options: AcquireOptions): Promise<Lease>;
  tryAcquire(options: TryOptions): Promise<Lease | null>;
}

function takerOf(side: LockManager, request: HoldRequest): Taker {
  const { name } = request;
  switch (request.mode) {
    case 'exclusive':
      return { acquire: (options) => side.acquire(name, options), tryAcquire: (options) => side.tryAcquire(name, options) };
    case 'read':
    case 'write':
      return side.readWriteLock(name)[request.mode];
    case 'permits': {
      const { permits, limit } = request;
      const semaphore = side.semaphore(name, { permits: limit });
      return {
        acquire: (options) => semaphore.acquire({ ...options, permits }),
        tryAcquire: (options) => semaphore.tryAcquire({ ...options, permits }),
      };
    }
    default:
      return request satisfies never;
  }
}

/** A name of any kind on one side, as operators see it. */
function ofKind(side: LockManager, name: string, kind: LockKind): Pick<Semaphore, 'inspect' | 'forceRelease'> {
  if (kind === 'lock') return { inspect: () => side.inspect(name), forceRelease: () => side.forceRelease(name) };
  return kind === 'semaphore' ? side.semaphore(name, ANY_PERMITS) : side.readWriteLock(name);
}

/** Who holds a name of any kind on one side. */
export async function inspectSide(side: LockManager, name: string, kind: LockKind): Promise<LockState> {
  return await ofKind(side, name, kind).inspect();
}

/** Frees a name of any kind on one side, no matter who has it. */
export async function forceReleaseSide(side: LockManager, name: string, kind: LockKind): Promise<boolean> {
  return await ofKind(side, name, kind).forceRelease();
}

/** Waits for one hold on one side, until `signal` aborts. */
export async function take(side: LockManager, request: HoldRequest, signal: AbortSignal): Promise<Lease> {
  return await takerOf(side, request).acquire({ ...optionsOf(request, signal), waitMs: Number.POSITIVE_INFINITY });
}

/**
 * Asks one side for several holds: locks of one ttl and label in one round trip. Answers in the requests' order, null
 * where somebody else has it; rejects, holding nothing, when any answer is unknown.
 */
export async function tryTakeMany(
  side: LockManager,
  requests: readonly HoldRequest[],
  signal: AbortSignal,
): Promise<readonly (Lease | null)[]> {
  const batches = new Map<string, HoldRequest[]>();
  for (const request of requests) {
    // A second request for one name is another attempt, and another call.
    let copy = 0;
    let key: string;
    do {
      key = request.mode === 'exclusive' ? `${request.ttlMs} ${copy} ${request.label}` : `alone ${request.owner}`;
      copy += 1;
    } while (batches.get(key)?.some(({ name }) => name === request.name) === true);
    const batch = batches.get(key);
    if (batch === undefined) batches.set(key, [request]);
    else batch.push(request);
  }
  const taken = new Map<HoldRequest, Lease>();
  const outcomes = await Promise.allSettled(
    [...batches.values()].map(async (batch) => {
      const [first, second] = batch;
      if (first === undefined) return;
      if (second === undefined) {
        const lease = await takerOf(side, first).tryAcquire(optionsOf(first, signal));
        if (lease !== null) taken.set(first, lease);
        return;
      }
      const leases = await side.tryAcquireEach(
        batch.map(({ name }) => name),
        optionsOf(first, signal),
      );
      for (const request of batch) {
        const lease = leases.get(request.name);
        if (lease !== undefined) taken.set(request, lease);
      }
    }),
  );
  const failed = outcomes.find((outcome) => outcome.status === 'rejected');
  if (failed !== undefined) {
    await Promise.all([...taken.values()].map((lease) => lease[Symbol.asyncDispose]()));
    throw failed.reason;
  }
  return requests.map((request) => taken.get(request) ?? null);
}

/** A side's own renewal is off: the migrating manager renews, or the hold ends. */
function optionsOf({ ttlMs, label }: HoldRequest, signal: AbortSignal): TryOptions {
  return { ttlMs, renew: false, maxHoldMs: Number.POSITIVE_INFINITY, label, signal };
}
