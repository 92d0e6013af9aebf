import { type Answer, type HoldRef, type HoldRequest, type LockBackend, type LockState, LockUnsupportedError } from '@holdfast/core';

interface Hold {
  readonly request: HoldRequest;
  readonly fencingToken: bigint;
  expiresAt: number;
}

/** What the clients share; in earnest this is a server. */
export interface MapStore {
  readonly holds: Map<string, Hold>;
  lastToken: bigint;
}

export function createMapStore(): MapStore {
  return { holds: new Map(), lastToken: 0n };
}

/** As small as a backend can be: locks with fencing tokens that expire by the store's clock, and nothing else. */
export function createMapBackend(store: MapStore): LockBackend<bigint> {
  const find = (name: string): Hold | undefined => {
    const hold = store.holds.get(name);
    if (hold === undefined || hold.expiresAt > performance.now()) return hold;
    store.holds.delete(name);
    return undefined;
  };
  const own = ({ name, owner }: HoldRef): Hold | undefined => {
    const hold = find(name);
    return hold?.request.owner === owner ? hold : undefined;
  };
  const attempt = (request: HoldRequest): Answer<bigint> => {
    if (request.mode !== 'exclusive') throw new LockUnsupportedError('map: locks only', { capability: 'semaphores' });
    const hold = find(request.name);
    // Asked twice, the same request is the same hold.
    if (hold !== undefined && hold.request.owner !== request.owner) {
      return { granted: false, remainingMs: hold.expiresAt - performance.now() };
    }
    const fencingToken = hold?.fencingToken ?? ++store.lastToken;
    store.holds.set(request.name, { request, fencingToken, expiresAt: performance.now() + request.ttlMs });
    return { granted: true, fencingToken };
  };
  return {
    contract: 1,
    name: 'map',
    capabilities: {
      fencing: true,
      semaphores: false,
      readWriteLocks: false,
      fair: false,
      push: false,
      marks: false,
      list: false,
      expiry: 'ttl',
    },
    attempt: async (requests) => requests.map(attempt),
    renew: async (holds) =>
      holds.map((ref) => {
        const hold = own(ref);
        if (hold !== undefined) hold.expiresAt = Math.max(hold.expiresAt, performance.now() + ref.ttlMs);
        return hold !== undefined;
      }),
    release: async (holds) => holds.map((ref) => own(ref) !== undefined && store.holds.delete(ref.name)),
    async inspect(name, kind): Promise<LockState> {
      const hold = find(name);
      if (hold === undefined) return { name, kind, held: false, holders: [], waiters: null };
      const { request, fencingToken, expiresAt } = hold;
      const remainingMs = expiresAt - performance.now();
      return {
        name,
        kind,
        held: true,
        holders: [{ label: request.label, mode: 'exclusive', permits: 1, remainingMs, fencingToken }],
        waiters: null,
      };
    },
    forceRelease: async (name) => find(name) !== undefined && store.holds.delete(name),
    checkHealth: async () => {},
    close: async () => {},
  };
}
