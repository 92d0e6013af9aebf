import type { Answer, HoldRequest, LockBackend } from '@holdfast/core';
import { booked, HoldBook } from './hold-book.js';
import { each, type Mutant } from './mutant.js';

let forgedTokens = 0n;

/** Who may hold beside whom, and for how long. */
export const exclusionMutants: readonly Mutant[] = [
  {
    id: 'grants-when-busy',
    breaks: 'a lock has one holder',
    caughtBy: ['outcomes/five', 'exclusive/lock/excludes', 'exclusive/pair/excludes', 'deadline/store-clock'],
    breakBackend: each((backend) => ({ attempt: granting(backend, (request) => request.mode === 'exclusive') })),
  },
  {
    id: 'grants-a-second-permit',
    breaks: "a semaphore's limit is never exceeded",
    caughtBy: ['exclusive/last-permit-of-5/excludes', 'semaphores/limit'],
    breakBackend: each((backend) => ({ attempt: granting(backend, (request) => request.mode === 'permits') })),
  },
  {
    id: 'reader-beside-writer',
    breaks: 'a writer keeps readers out',
    caughtBy: ['read-write/writer-excludes'],
    breakBackend: each((backend) => ({ attempt: granting(backend, (request) => request.mode === 'read') })),
  },
  {
    id: 'writer-beside-readers',
    breaks: 'readers keep a writer out',
    caughtBy: ['read-write/readers-exclude'],
    breakBackend: () => {
      const book = new HoldBook();
      return (backend) =>
        booked(backend, book, (whole) => ({
          attempt: granting(
            whole,
            (request) => request.mode === 'write' && book.of(request.name, 'read').every((hold) => hold.request.mode === 'read'),
          ),
        }));
    },
  },
  {
    id: 'readers-exclude-readers',
    breaks: 'readers share',
    caughtBy: ['read-write/many-readers', 'read-write/hand-over'],
    breakBackend: each((backend) => withModes(backend, (mode) => (mode === 'read' ? 'write' : mode))),
  },
  {
    id: 'writers-starve',
    breaks: 'readers that come after a waiting writer wait behind it',
    caughtBy: ['read-write/writer-not-starved', 'read-write/writer-among-busy-readers'],
    fair: false,
    breakBackend: each((backend) => {
      const { subscribe } = backend;
      return {
        // Writers ask again and again, and the store never learns that they wait.
        subscribe(request, wake) {
          if (request.mode !== 'write' && subscribe !== undefined) return subscribe.call(backend, request, wake);
          const timer = setInterval(wake, 25);
          return { close: () => clearInterval(timer) };
        },
      };
    }),
  },
  {
    id: 'forgets-expiry',
    breaks: 'a hold ends when it is not renewed',
    caughtBy: ['crash/holder'],
    breakBackend: each((backend) => withTtl(backend, () => 2 ** 31 - 1)),
  },
  {
    id: 'expires-early',
    breaks: 'a hold stands as long as was asked, and the guard time',
    caughtBy: ['exclusive/all/expires', 'read-write/expired-reader', 'exclusive/all/renewed'],
    breakBackend: each((backend) => withTtl(backend, (ttlMs) => Math.ceil(ttlMs / 4))),
  },
  {
    id: 'ignores-renewals',
    breaks: 'a renewal prolongs the hold',
    caughtBy: ['exclusive/all/renewed', 'renewal/mixed', 'leases/extend'],
    breakBackend: each(() => ({ renew: async (holds) => holds.map(() => true) })),
  },
  {
    id: 'renewals-shorten',
    breaks: 'a renewal never shortens a hold',
    caughtBy: ['leases/extend-never-shortens', 'backend/renew-never-shortens'],
    breakBackend: each((backend) => ({
      async renew(holds, call) {
        for (const hold of holds)
          setTimeout(
            () => void backend.release([hold], { ...call, signal: new AbortController().signal }).catch(() => {}),
            hold.ttlMs,
          ).unref();
        return backend.renew(holds, call);
      },
    })),
  },
  {
    id: 'clients-decide-expiry',
    breaks: "the store's clock decides expiry, never a client's",
    caughtBy: ['deadline/store-clock'],
    breakBackend: () => {
      const book = new HoldBook();
      return (backend) =>
        booked(backend, book, (whole) => ({
          async attempt(requests, call) {
            const expired = requests
              .flatMap((request) => book.of(request.name, request.mode))
              .filter((hold) => call.clock.wall() > hold.wallAt + hold.request.ttlMs);
            if (expired.length > 0)
              await whole.release(
                expired.map((hold) => hold.request),
                call,
              );
            return whole.attempt(requests, call);
          },
        }));
    },
  },
  {
    id: 'ttl-of-the-asker',
    breaks: "one client's ttl does not expire another's hold",
    caughtBy: ['semaphores/mixed-ttls'],
    breakBackend: () => {
      const book = new HoldBook();
      return (backend) =>
        booked(backend, book, (whole) => ({
          async attempt(requests, call) {
            const expired = requests.flatMap((request) =>
              book.of(request.name, request.mode).filter((hold) => performance.now() > hold.grantedAt + request.ttlMs),
            );
            if (expired.length > 0)
              await whole.release(
                expired.map((hold) => hold.request),
                call,
              );
            return whole.attempt(requests, call);
          },
        }));
    },
  },
  {
    id: 'counts-holders',
    breaks: 'permits are counted, not holders',
    caughtBy: ['semaphores/weighted', 'semaphores/load'],
    breakBackend: each((backend) => withPermits(backend, (request) => ({ ...request, permits: 1 }))),
  },
  {
    id: 'limit-one-too-high',
    breaks: "a semaphore's limit is never exceeded",
    caughtBy: ['semaphores/limit', 'semaphores/load', 'semaphores/double-release', 'leases/many-through-one-object'],
    breakBackend: each((backend) => withPermits(backend, (request) => ({ ...request, limit: request.limit + 1 }))),
  },
  {
    id: 'limit-one-too-low',
    breaks: "a semaphore's limit is reached",
    caughtBy: ['semaphores/limit', 'leases/many-through-one-object'],
    breakBackend: each((backend) => withPermits(backend, (request) => ({ ...request, limit: Math.max(1, request.limit - 1) }))),
  },
  {
    id: 'keeps-permits-of-refused',
    breaks: 'a request that does not fit takes nothing',
    caughtBy: ['semaphores/all-or-none'],
    breakBackend: each((backend) => ({
      async attempt(requests, call) {
        const answers = await backend.attempt(requests, call);
        const partial = requests.flatMap((request, i) =>
          request.mode === 'permits' && request.permits > 1 && answers[i]?.granted === false
            ? [{ ...request, owner: freshOwner(), permits: 1 }]
            : [],
        );
        if (partial.length > 0) await backend.attempt(partial, call);
        return answers;
      },
    })),
  },
  {
    id: 'frees-one-permit-of-several',
    breaks: 'a release gives back all permits of the hold',
    caughtBy: ['semaphores/weighted'],
    breakBackend: () => {
      const book = new HoldBook();
      return (backend) =>
        booked(backend, book, (whole) => ({
          async release(holds, call) {
            const rest = holds.flatMap((hold) => {
              const request = book.holdOf(hold.owner)?.request;
              return request?.mode === 'permits' && request.permits > 1
                ? [{ ...request, owner: freshOwner(), permits: request.permits - 1 }]
                : [];
            });
            const answers = await whole.release(holds, call);
            if (rest.length > 0) await whole.attempt(rest, call);
            return answers;
          },
        }));
    },
  },
  {
    id: 'batch-is-all-or-nothing',
    breaks: 'each request of a batch is answered for itself',
    caughtBy: ['many/each', 'names/in-batches', 'backend/batches'],
    breakBackend: each((backend) => ({
      async attempt(requests, call) {
        const answers = await backend.attempt(requests, call);
        if (answers.every((answer) => answer.granted)) return answers;
        await backend.release(
          requests.filter((_, i) => answers[i]?.granted),
          call,
        );
        return answers.map(() => ({ granted: false as const, remainingMs: null }));
      },
    })),
  },
  {
    id: 'batch-answers-out-of-place',
    breaks: 'each request of a batch is answered in its place',
    caughtBy: ['many/each', 'backend/batches'],
    breakBackend: each((backend) => ({ attempt: async (requests, call) => [...(await backend.attempt(requests, call))].reverse() })),
  },
  {
    id: 'one-lost-all-lost',
    breaks: 'one lost lease does not take the others of its batch with it',
    caughtBy: ['renewal/in-a-batch-each-for-itself'],
    breakBackend: each((backend) => ({
      async renew(holds, call) {
        const answers = await backend.renew(holds, call);
        return answers.map(() => answers.every((answer) => answer));
      },
    })),
  },
];

function granting(backend: LockBackend, isForged: (request: HoldRequest) => boolean): LockBackend['attempt'] {
  return async (requests, call) => {
    const answers = await backend.attempt(requests, call);
    return answers.map((answer, index): Answer => {
      const request = requests[index];
      if (answer.granted || request === undefined || !isForged(request)) return answer;
      forgedTokens += 1n;
      return { granted: true, fencingToken: BigInt(Date.now()) * 1_000n + 1_000_000n + forgedTokens };
    });
  };
}

function withModes(
  backend: LockBackend,
  map: (mode: 'exclusive' | 'read' | 'write') => 'exclusive' | 'read' | 'write',
): Partial<LockBackend> {
  const { wait, subscribe } = backend;
  const change = <T extends { readonly mode: HoldRequest['mode'] }>(hold: T): T =>
    hold.mode === 'permits' ? hold : { ...hold, mode: map(hold.mode) };
  return {
    attempt: (requests, call) => backend.attempt(requests.map(change), call),
    renew: (holds, call) => backend.renew(holds.map(change), call),
    release: (holds, call) => backend.release(holds.map(change), call),
    ...(wait && { wait: (request, call) => wait.call(backend, change(request), call) }),
    ...(subscribe && { subscribe: (request, wake) => subscribe.call(backend, change(request), wake) }),
  };
}

function withTtl(backend: LockBackend, map: (ttlMs: number) => number): Partial<LockBackend> {
  const { wait } = backend;
  const change = <T extends { readonly ttlMs: number }>(hold: T): T => ({ ...hold, ttlMs: map(hold.ttlMs) });
  return {
    attempt: (requests, call) => backend.attempt(requests.map(change), call),
    renew: (holds, call) => backend.renew(holds.map(change), call),
    ...(wait && { wait: (request, call) => wait.call(backend, change(request), call) }),
  };
}

type PermitRequest = Extract<HoldRequest, { readonly mode: 'permits' }>;

function withPermits(backend: LockBackend, map: (request: PermitRequest) => PermitRequest): Partial<LockBackend> {
  const { wait, subscribe } = backend;
  const change = (request: HoldRequest): HoldRequest => (request.mode === 'permits' ? map(request) : request);
  return {
    attempt: (requests, call) => backend.attempt(requests.map(change), call),
    ...(wait && { wait: (request, call) => wait.call(backend, change(request), call) }),
    ...(subscribe && { subscribe: (request, wake) => subscribe.call(backend, change(request), wake) }),
  };
}

function freshOwner(): string {
  return crypto.randomUUID().replaceAll('-', '');
}
