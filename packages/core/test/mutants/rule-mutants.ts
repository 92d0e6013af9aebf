import { AsyncLocalStorage } from 'node:async_hooks';
import type { AcquireOptions, LockManager, TryOptions } from '@holdfast/core';
import { leases, manager } from './manager-mutants.js';
import { altered, each, type Mutant } from './mutant.js';

/** The context of everybody who loaded this module: none of a caller's. */
const outside = AsyncLocalStorage.snapshot();

/** Whose context work runs in, how often inputs are read, which clock decides, and what has expired. */
export const ruleMutants: readonly Mutant[] = [
  manager('reads-options-twice', 'each option is read once', ['arguments/read-once'], (whole) => ({
    acquire: (name, options) => whole.acquire(name, isRenewed(options) ? options : { ...options, renew: false }),
  })),
  manager('reads-own-options-only', 'options are read where they are inherited, too', ['arguments/read-once'], (whole) => ({
    tryAcquire: (name, options) => whole.tryAcquire(name, { ...options }),
  })),
  manager('checks-before-it-reads', 'the option that was checked is the one that is used', ['arguments/permits-read-once'], (whole) => ({
    semaphore(name, options) {
      const semaphore = whole.semaphore(name, options);
      const tryAcquire = async (asked?: TryOptions & { permits?: number }) => {
        const checked = asked?.permits ?? 1;
        if (!(Number.isInteger(checked) && checked >= 1 && checked <= options.permits)) return semaphore.tryAcquire({ permits: checked });
        return semaphore.tryAcquire({ permits: Math.max(1, asked?.permits ?? 1) });
      };
      return new Proxy(semaphore, {
        get(target, key) {
          if (key === 'tryAcquire') return tryAcquire;
          const value: unknown = Reflect.get(target, key, target);
          return typeof value === 'function' ? (value.bind(target) as unknown) : value;
        },
      });
    },
  })),

  leases('believes-in-its-monotonic-clock', 'elapsed is the larger of two clocks', ['clock/set-forward'], (lease) => {
    const end = performance.now() + lease.remainingMs;
    return {
      get isHeld() {
        return performance.now() < end;
      },
    };
  }),

  leases("aborts-in-nobody's-context", "a lease's signal runs in the context that took it", ['contexts/lease'], (lease) => {
    const controller = new AbortController();
    lease.signal.addEventListener('abort', () => outside(() => controller.abort(lease.signal.reason)));
    return { signal: controller.signal };
  }),
  manager("runs-tasks-in-nobody's-context", 'a task runs in the context of its caller', ['contexts/caller'], (whole) => ({
    withLock: (async (name: string, options: AcquireOptions, task: (lease: unknown) => unknown) =>
      whole.withLock(name, options, (lease) => outside(() => task(lease)))) as unknown as LockManager['withLock'],
  })),
  {
    id: 'keeps-contexts',
    breaks: 'what a caller kept in its context is let go of when its leases have ended',
    caughtBy: ['contexts/kept-by-nobody'],
    breakManager: () => {
      const kept: unknown[] = [];
      return (whole) =>
        new Proxy(whole, {
          get(target, key) {
            const value: unknown = Reflect.get(target, key, target);
            if (typeof value !== 'function') return value;
            if (key === 'acquire') kept.push(AsyncLocalStorage.snapshot());
            return value.bind(target) as unknown;
          },
        });
    },
  },

  {
    id: 'inspect-shows-what-expired',
    breaks: 'what has expired does not show',
    caughtBy: ['backend/expired-exclusive', 'backend/expired-read', 'backend/expired-permits'],
    breakBackend: each((backend) => {
      const last = new Map<string, Awaited<ReturnType<typeof backend.inspect>>>();
      return {
        async inspect(name, kind, call) {
          const state = last.get(name) ?? (await backend.inspect(name, kind, call));
          last.set(name, state);
          return state;
        },
      };
    }),
  },
  {
    id: 'list-shows-what-expired',
    breaks: 'what has expired is not listed',
    caughtBy: ['backend/expired-exclusive', 'backend/expired-write'],
    breakBackend: () => {
      const seen = new Map<string, 'lock' | 'semaphore' | 'read-write'>();
      return (backend) =>
        altered(backend, {
          async attempt(requests, call) {
            for (const { name, mode } of requests)
              seen.set(name, mode === 'exclusive' ? 'lock' : mode === 'permits' ? 'semaphore' : 'read-write');
            return backend.attempt(requests, call);
          },
          async *list(prefix) {
            const holder = { label: null, mode: 'exclusive', permits: 1, remainingMs: 0, fencingToken: null } as const;
            for (const [name, kind] of seen) if (name.startsWith(prefix)) yield { name, kind, held: true, holders: [holder], waiters: 0 };
          },
        });
    },
  },
  {
    id: 'left-over-permits-sleep',
    breaks: 'who is granted while more could be granted passes it on',
    caughtBy: ['semaphores/left-over'],
    fair: false,
    breakBackend: () => {
      // One wake a release: the others are woken by nobody.
      const woken = new Map<string, number>();
      return (backend) =>
        altered(backend, {
          async release(holds, call) {
            for (const { name } of holds) woken.set(name, 0);
            return backend.release(holds, call);
          },
          ...(backend.subscribe && {
            subscribe: (request, wake) =>
              backend.subscribe?.(request, () => {
                const count = (woken.get(request.name) ?? 0) + 1;
                woken.set(request.name, count);
                if (count === 1) wake();
              }) ?? { close() {} },
          }),
        });
    },
  },
];

/** Looks at an option before the manager does. */
function isRenewed(options: (AcquireOptions & { readonly ttlMs?: unknown }) | undefined): boolean {
  return options === undefined || (options.ttlMs !== null && options.renew !== false);
}
