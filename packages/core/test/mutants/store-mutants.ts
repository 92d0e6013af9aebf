import type { Answer, CallContext, FencingToken, HoldRequest, LockBackend, LockState } from '@holdfast/core';
import { booked, HoldBook, kindOf } from './hold-book.js';
import { altered, each, type Mutant } from './mutant.js';

/** Tokens, marks, what operators see, and what a store out of reach is reported as. */
export const storeMutants: readonly Mutant[] = [
  fencing('fence-repeats', ['fencing/release', 'fencing/load', 'fencing/groups'], () => () => () => 7n),
  fencing('fence-is-null', ['fencing/release'], () => () => () => null),
  fencing('fence-per-client', ['fencing/release', 'fencing/load'], () => () => {
    let last = 0n;
    return () => ++last;
  }),
  fencing('fence-from-client-clock', ['fencing/skewed-clients'], () => () => {
    let ties = 0n;
    return (_, call) => BigInt(Math.floor(call.clock.wall() * 1_000)) + ++ties;
  }),
  fencing('fence-from-time-to-live', ['fencing/expiry', 'fencing/forced'], () => () => {
    // As if counted from the rest of a key that goes when the hold goes.
    return (request) => BigInt(request.ttlMs);
  }),
  fencing(
    'fence-of-readers-stands-still',
    ['fencing/read-write'],
    () => () => (request, _, token) => (request.mode === 'read' ? 1n : token),
  ),
  {
    id: 'fence-restarts-when-forced',
    breaks: 'tokens rise over a forced release',
    caughtBy: ['fencing/forced'],
    breakBackend: () => {
      const tokens = new Map<string, bigint>();
      return (backend) =>
        altered(
          numbered(backend, (request) => {
            const next = (tokens.get(request.name) ?? 0n) + 1n;
            tokens.set(request.name, next);
            return next;
          }),
          {
            async forceRelease(name, kind, call) {
              tokens.delete(name);
              return backend.forceRelease(name, kind, call);
            },
          },
        );
    },
  },

  {
    id: 'busy-when-down',
    breaks: 'a store out of reach is never reported as busy',
    caughtBy: ['unavailable/not-busy', 'unavailable/recovers', 'deadline/lost-reply'],
    fair: false,
    breakBackend: each((backend) => ({
      attempt: (requests, call) =>
        backend.attempt(requests, call).catch(() => requests.map(() => ({ granted: false as const, remainingMs: null }))),
    })),
  },
  {
    id: 'free-when-down',
    breaks: 'a store out of reach is never reported as free',
    caughtBy: ['unavailable/not-busy'],
    breakBackend: each((backend) => ({
      inspect: (name, kind, call) =>
        backend.inspect(name, kind, call).catch((): LockState => ({ name, kind, held: false, holders: [], waiters: 0 })),
    })),
  },
  {
    id: 'not-forced-when-down',
    breaks: 'a forced release that did not reach the store is not answered',
    caughtBy: ['unavailable/not-busy'],
    breakBackend: each((backend) => ({ forceRelease: (name, kind, call) => backend.forceRelease(name, kind, call).catch(() => false) })),
  },
  {
    id: 'lost-when-down',
    breaks: 'a failed renewal is not a loss',
    caughtBy: ['renewal/survives-one-failure', 'deadline/failed-extend'],
    breakBackend: each((backend) => ({ renew: (holds, call) => backend.renew(holds, call).catch(() => holds.map(() => false)) })),
  },
  {
    id: 'renews-in-a-hot-loop',
    breaks: 'a lease is renewed at a third of its ttl',
    caughtBy: ['renewal/not-hot', 'renewal/batches'],
    breakBackend: each((backend) => ({
      async renew(holds, call) {
        for (let again = 0; again < 100; again++) await backend.renew(holds, call);
        return backend.renew(holds, call);
      },
    })),
  },
  {
    id: 'renews-one-by-one',
    breaks: 'one round trip renews all leases that are due',
    caughtBy: ['renewal/batches'],
    breakBackend: each((backend) => ({
      renew: async (holds, call) => (await Promise.all(holds.map((hold) => backend.renew([hold], call)))).flat(),
    })),
  },
  {
    id: 'renews-what-was-released',
    breaks: 'renewal stops with the release',
    caughtBy: ['renewal/no-requests-after-release'],
    breakBackend: each((backend) => ({
      async release(holds, call) {
        const again = setInterval(() => {
          void backend.renew(
            holds.map((hold) => ({ ...hold, ttlMs: 1_000 })),
            { ...call, signal: new AbortController().signal },
          );
        }, 50);
        setTimeout(() => clearInterval(again), 2_000);
        return backend.release(holds, call);
      },
    })),
  },
  {
    id: 'renewed-when-down',
    breaks: 'a renewal that did not reach the store prolongs nothing',
    caughtBy: ['deadline/told-without-network', 'deadline/failed-extend'],
    breakBackend: each((backend) => ({ renew: (holds, call) => backend.renew(holds, call).catch(() => holds.map(() => true)) })),
  },
  {
    id: 'released-when-down',
    breaks: 'a release that did not reach the store goes on until it does',
    caughtBy: ['deadline/failed-release'],
    breakBackend: each((backend) => ({ release: (holds, call) => backend.release(holds, call).catch(() => holds.map(() => true)) })),
  },
  {
    id: 'unmarked-when-down',
    breaks: 'a store out of reach is no answer about marks',
    caughtBy: ['unavailable/not-busy'],
    breakBackend: each(({ marks }) =>
      marks === undefined
        ? {}
        : {
            marks: {
              set: (name, retentionMs, call) => marks.set(name, retentionMs, call).catch(() => false),
              has: (name, call) => marks.has(name, call).catch(() => false),
            },
          },
    ),
  },
  {
    id: 'never-answers-when-busy',
    breaks: 'every call settles',
    caughtBy: ['exclusive/lock/excludes'],
    breakBackend: each((backend) => ({
      async attempt(requests, call) {
        const answers = await backend.attempt(requests, call);
        return answers.every((answer) => answer.granted) ? answers : new Promise<never>(() => {});
      },
    })),
  },
  {
    id: 'close-frees-the-store',
    breaks: 'the close of one client leaves the holds of others alone',
    caughtBy: ['close/peers'],
    breakBackend: () => {
      const book = new HoldBook();
      return (backend) =>
        booked(backend, book, (whole) => ({
          async close() {
            const call = {
              timeoutMs: 1_000,
              signal: new AbortController().signal,
              clock: { now: () => 0, wall: () => 0, random: () => 0, setTimer: () => ({ cancel() {} }) },
            };
            await whole
              .release(
                book.all.map((hold) => hold.request),
                call,
              )
              .catch(() => {});
            await whole.close();
          },
        }));
    },
  },

  {
    id: 'force-does-nothing',
    breaks: 'a forced release frees',
    caughtBy: ['exclusive/lock/forced', 'inspection/force', 'waiting/forced-release-wakes'],
    breakBackend: each(() => ({ forceRelease: async () => true })),
  },
  {
    id: 'force-always-says-true',
    breaks: 'a forced release says whether somebody had it',
    caughtBy: ['inspection/force', 'semaphores/inspect'],
    breakBackend: each((backend) => ({
      async forceRelease(name, kind, call) {
        await backend.forceRelease(name, kind, call);
        return true;
      },
    })),
  },
  {
    id: 'inspect-is-stale',
    breaks: 'inspect tells what is',
    caughtBy: ['inspection/lock', 'semaphores/inspect'],
    breakBackend: () => {
      const seen = new Map<string, LockState>();
      return (backend) =>
        altered(backend, {
          async inspect(name, kind, call) {
            const state = seen.get(`${kind}:${name}`) ?? (await backend.inspect(name, kind, call));
            seen.set(`${kind}:${name}`, state);
            return state;
          },
        });
    },
  },
  {
    id: 'inspect-shows-owners',
    breaks: 'an owner token is never shown',
    caughtBy: ['leases/json', 'inspection/lock'],
    breakBackend: () => {
      const book = new HoldBook();
      return (backend) =>
        booked(backend, book, (whole) => ({
          async inspect(name, kind, call) {
            const state = await whole.inspect(name, kind, call);
            const owners = book.all.filter((hold) => hold.request.name === name && kindOf(hold.request.mode) === kind);
            return {
              ...state,
              holders: state.holders.map((holder, i) => ({ ...holder, label: owners[i]?.request.owner ?? holder.label })),
            };
          },
        }));
    },
  },
  {
    id: 'inspect-forgets-permits',
    breaks: 'inspect says who has how many',
    caughtBy: ['semaphores/inspect'],
    breakBackend: each((backend) => ({
      async inspect(name, kind, call) {
        const state = await backend.inspect(name, kind, call);
        return { ...state, holders: state.holders.map((holder) => ({ ...holder, permits: 1 })) };
      },
    })),
  },
  listing('lists-by-pattern', (state, prefix) => globOf(prefix).test(state.name)),
  listing('lists-locks-only', (state, prefix) => state.kind === 'lock' && state.name.startsWith(prefix)),
  listing('lists-without-case', (state, prefix) => state.name.toLowerCase().startsWith(prefix.toLowerCase())),

  {
    id: 'marks-are-overwritten',
    breaks: 'a mark is set once',
    caughtBy: ['marks/first-wins', 'marks/one-of-many'],
    breakBackend: each(({ marks }) =>
      marks === undefined
        ? {}
        : { marks: { has: (name, call) => marks.has(name, call), set: (name, ms, call) => marks.set(name, ms, call).then(() => true) } },
    ),
  },
  marking('refused-marks-prolong', ['marks/refused-set-changes-nothing'], (standing, expiresAt) => Math.max(standing, expiresAt)),
  marking('refused-marks-shorten', ['marks/refused-set-changes-nothing'], (standing, expiresAt) => Math.min(standing, expiresAt)),
  retaining('marks-end-early', (ms) => ms / 4),
  retaining('marks-never-end', () => 2 ** 31 - 1),
  {
    id: 'marks-end-with-their-client',
    breaks: 'a mark outlives the manager that set it',
    caughtBy: ['marks/outlive-their-setter'],
    breakBackend: () => {
      const gone = new Set<string>();
      return (backend) => {
        const { marks } = backend;
        const mine = new Set<string>();
        if (marks === undefined) return backend;
        return altered(backend, {
          marks: {
            set: (name, ms, call) => {
              mine.add(name);
              return marks.set(name, ms, call);
            },
            has: async (name, call) => (await marks.has(name, call)) && !gone.has(name),
          },
          async close() {
            for (const name of mine) gone.add(name);
            await backend.close();
          },
        });
      };
    },
  },
];

type Numbering = (request: HoldRequest, call: CallContext, token: FencingToken) => FencingToken;

function fencing(id: string, caughtBy: readonly [string, ...string[]], store: () => () => Numbering): Mutant {
  return {
    id,
    breaks: 'exclusive and write grants of one name rise strictly',
    caughtBy,
    breakBackend: () => {
      const client = store();
      return (backend) => numbered(backend, client());
    },
  };
}

function numbered(backend: LockBackend, next: Numbering): LockBackend {
  const { wait } = backend;
  const change = <A extends Answer>(request: HoldRequest | undefined, call: CallContext, answer: A): A =>
    answer.granted && request !== undefined && request.mode !== 'permits'
      ? { ...answer, fencingToken: next(request, call, answer.fencingToken) }
      : answer;
  return altered(backend, {
    attempt: async (requests, call) => (await backend.attempt(requests, call)).map((answer, i) => change(requests[i], call, answer)),
    ...(wait && { wait: async (request, call) => change(request, call, await wait.call(backend, request, call)) }),
  });
}

function listing(id: string, isShown: (state: LockState, prefix: string) => boolean): Mutant {
  return {
    id,
    breaks: 'list shows what is held of every kind, by exact prefix',
    caughtBy: ['inspection/list'],
    breakBackend: each(({ list }) =>
      list === undefined
        ? {}
        : {
            async *list(prefix, call) {
              for await (const state of list('', call)) if (isShown(state, prefix)) yield state;
            },
          },
    ),
  };
}

function globOf(prefix: string): RegExp {
  return new RegExp(
    `^${prefix
      .replace(/[.+^${}()|\\]/g, '\\$&')
      .replaceAll('*', '.*')
      .replaceAll('?', '.')}`,
  );
}

function marking(id: string, caughtBy: readonly [string, ...string[]], refused: (standing: number, expiresAt: number) => number): Mutant {
  return {
    id,
    breaks: 'a refused set changes nothing',
    caughtBy,
    breakBackend: () => {
      const expiries = new Map<string, number>();
      const has = (name: string): boolean => (expiries.get(name) ?? 0) > performance.now();
      return (backend) =>
        altered(backend, {
          marks: {
            async set(name, retentionMs) {
              const expiresAt = performance.now() + retentionMs;
              const isFirst = !has(name);
              expiries.set(name, isFirst ? expiresAt : refused(expiries.get(name) ?? 0, expiresAt));
              return isFirst;
            },
            has: async (name) => has(name),
          },
        });
    },
  };
}

function retaining(id: string, map: (ms: number) => number): Mutant {
  return {
    id,
    breaks: 'a mark is kept for its time, and forgotten afterwards',
    caughtBy: ['marks/retention'],
    breakBackend: each(({ marks }) =>
      marks === undefined
        ? {}
        : { marks: { has: (name, call) => marks.has(name, call), set: (name, ms, call) => marks.set(name, map(ms), call) } },
    ),
  };
}
