import type { AcquireOptions, HoldRequest, Lease, LockKind, LockManager, LockState } from '@holdfast/core';

// To look at a semaphore or to free it, its limit does not matter.
const ANY_PERMITS = { permits: 1 };

/** Asks one side for one hold, whatever its mode. Its own renewal is off: the migrating manager renews, or the hold ends. */
async function tryTake(side: LockManager, request: HoldRequest, signal: AbortSignal): Promise<Lease | null> {
  const { waitMs: _, ...options } = optionsOf(request, signal);
  switch (request.mode) {
    case 'exclusive':
      return await side.tryAcquire(request.name, options);
    case 'read':
      return await side.readWriteLock(request.name).read.tryAcquire(options);
    case 'write':
      return await side.readWriteLock(request.name).write.tryAcquire(options);
    case 'permits':
      return await side.semaphore(request.name, { permits: request.limit }).tryAcquire({ ...options, permits: request.permits });
    default:
      return request satisfies never;
  }
}

/** Who holds a name of any kind on one side. */
export async function inspectSide(side: LockManager, name: string, kind: LockKind): Promise<LockState> {
  switch (kind) {
    case 'lock':
      return await side.inspect(name);
    case 'semaphore':
      return await side.semaphore(name, ANY_PERMITS).inspect();
    case 'read-write':
      return await side.readWriteLock(name).inspect();
    default:
      return kind satisfies never;
  }
}

/** Frees a name of any kind on one side, no matter who has it. */
export async function forceReleaseSide(side: LockManager, name: string, kind: LockKind): Promise<boolean> {
  switch (kind) {
    case 'lock':
      return await side.forceRelease(name);
    case 'semaphore':
      return await side.semaphore(name, ANY_PERMITS).forceRelease();
    case 'read-write':
      return await side.readWriteLock(name).forceRelease();
    default:
      return kind satisfies never;
  }
}

/** Waits for one hold on one side, until `signal` aborts. */
export async function take(side: LockManager, request: HoldRequest, signal: AbortSignal): Promise<Lease> {
  const options = optionsOf(request, signal);
  switch (request.mode) {
    case 'exclusive':
      return await side.acquire(request.name, options);
    case 'read':
      return await side.readWriteLock(request.name).read.acquire(options);
    case 'write':
      return await side.readWriteLock(request.name).write.acquire(options);
    case 'permits':
      return await side.semaphore(request.name, { permits: request.limit }).acquire({ ...options, permits: request.permits });
    default:
      return request satisfies never;
  }
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
        const lease = await tryTake(side, first, signal);
        if (lease !== null) taken.set(first, lease);
        return;
      }
      const { waitMs: _, ...options } = optionsOf(first, signal);
      const leases = await side.tryAcquireEach(
        batch.map(({ name }) => name),
        options,
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

function optionsOf(request: HoldRequest, signal: AbortSignal): AcquireOptions {
  return {
    ttlMs: request.ttlMs,
    renew: false,
    maxHoldMs: Number.POSITIVE_INFINITY,
    label: request.label,
    waitMs: Number.POSITIVE_INFINITY,
    signal,
  };
}
