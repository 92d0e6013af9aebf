import { type AcquireOptions, isLockError, type Lease, type LockManager, type TryOptions } from '@holdfast/core';
import { alteredManager, type Mutant } from './mutant.js';

/** What only the manager can break: a wrapper around a whole one. */
export const managerMutants: readonly Mutant[] = [
  manager(
    'aborts-with-its-own-error',
    "an abort rejects with the signal's own reason",
    ['abort/before', 'exclusive/lock/abort-while-waiting'],
    (whole) => ({
      acquire: (name, options) =>
        whole.acquire(name, options).catch((error: unknown) => {
          throw options?.signal?.aborted ? new DOMException('aborted', 'AbortError') : error;
        }),
    }),
  ),
  manager('ignores-aborts', 'an abort ends the wait', ['abort/at-once', 'exclusive/lock/abort-while-waiting'], (whole) => ({
    acquire: (name, options) => whole.acquire(name, { ...options, signal: undefined }),
  })),
  manager(
    'busy-for-unavailable',
    'unavailable is never reported as busy',
    ['unavailable/not-busy', 'deadline/late-grant', 'deadline/expired-grant'],
    (whole) => ({
      tryAcquire: (name, options) =>
        whole.tryAcquire(name, options).catch((error: unknown) => fallback(error, 'LOCK_BACKEND_UNAVAILABLE', null)),
    }),
  ),
  manager(
    'timeout-as-null',
    'a wait that runs out is LOCK_TIMEOUT',
    ['exclusive/lock/wait-runs-out', 'exclusive/lock/one-attempt'],
    (whole) => ({
      acquire: (name, options) =>
        whole.acquire(name, options).catch((error: unknown) => fallback(error, 'LOCK_TIMEOUT', null as unknown as Lease)),
    }),
  ),
  manager('zero-attempts', 'waitMs 0 is exactly one attempt', ['exclusive/lock/one-attempt'], (whole) => ({
    async acquire(name, options) {
      // As verrou did: no attempt at all counts as success.
      return whole.acquire(options?.waitMs === 0 ? `${name} never asked for ${crypto.randomUUID()}` : name, options);
    },
  })),
  manager('drops-unknown-options', 'unknown options are refused', ['arguments/lease-options'], (whole) => ({
    acquire: (name, options = {}) => whole.acquire(name, known(options)),
  })),
  manager('throws-on-bad-names', 'async methods reject, they do not throw', ['arguments/names'], (whole) => ({
    acquire(name, options) {
      if (typeof name !== 'string') throw new TypeError('a name is a string');
      return whole.acquire(name, options);
    },
  })),

  leases(
    'release-answers-false-again',
    'every release answers what the first one answered',
    ['leases/release-idempotent', 'exclusive/lock/release-once'],
    (lease) => {
      let released = false;
      return {
        async release() {
          if (released) return false;
          released = true;
          return lease.release();
        },
      };
    },
  ),
  leases(
    'signal-never-aborts',
    'the holder is notified of a loss',
    ['leases/not-renewed', 'exclusive/all/told-of-force', 'deadline/told-without-network'],
    () => ({
      signal: new AbortController().signal,
    }),
  ),
  leases('signal-aborts-on-release', 'the signal stays silent on a release by its own holder', ['leases/released'], (lease) => {
    const controller = new AbortController();
    lease.signal.addEventListener('abort', () => controller.abort(lease.signal.reason));
    return {
      signal: controller.signal,
      release() {
        controller.abort(new Error('released'));
        return lease.release();
      },
    };
  }),
  leases(
    'always-held',
    'isHeld is a check against the deadline',
    ['leases/released', 'leases/released-at-once', 'exclusive/all/expires'],
    () => ({ isHeld: true }),
  ),
  leases('failed-extend-releases', 'an extension that fails leaves the lease as it was', ['deadline/failed-extend'], (lease) => ({
    async extend(ttlMs) {
      try {
        await lease.extend(ttlMs);
      } catch (error) {
        void lease.release().catch(() => {});
        throw error;
      }
    },
  })),
  leases('extend-shortens', 'an extension never shortens', ['leases/extend-never-shortens'], (lease) => {
    let end = Number.POSITIVE_INFINITY;
    return {
      get remainingMs() {
        return Math.max(0, Math.min(lease.remainingMs, end - performance.now()));
      },
      async extend(ttlMs) {
        await lease.extend(ttlMs);
        if (ttlMs !== undefined) end = performance.now() + ttlMs;
      },
    };
  }),
  leases('dispose-rejects', 'asyncDispose never rejects', ['deadline/failed-release'], (lease) => ({
    async [Symbol.asyncDispose]() {
      await lease.release();
    },
  })),

  withLock(
    'loss-is-ignored',
    'a task that finished after a loss rejects with LOCK_LOST',
    ['with-lock/loss', 'with-lock/unnoticed-loss'],
    async (lease, task) => {
      try {
        return await task(lease);
      } finally {
        await lease.release().catch(() => {});
      }
    },
  ),
  withLock(
    'release-error-wins',
    "a failed release does not replace the task's outcome",
    ['with-lock/failed-release'],
    async (lease, task) => {
      try {
        return await task(lease);
      } finally {
        await lease.release();
      }
    },
  ),
  withLock('loss-wins', "the task's own error wins over a loss", ['with-lock/own-error-over-loss'], async (lease, task) => {
    try {
      return await task(lease);
    } catch (error) {
      throw lease.signal.aborted ? lease.signal.reason : error;
    } finally {
      await lease.release().catch(() => {});
    }
  }),
  withLock(
    'frees-before-the-end',
    'the lock is held until the task has ended',
    ['with-lock/held-until-the-end', 'exclusive/lock/load'],
    async (lease, task) => {
      const running = task(lease);
      await lease.release().catch(() => {});
      return await running;
    },
  ),
  withLock('no-reentry-check', 'a task that waits for what it holds is notified', ['reentry/lock'], async (lease, task) => {
    try {
      return await task(lease);
    } finally {
      await lease.release().catch(() => {});
    }
  }),
  withLock(
    'keeps-failed-locks',
    'the lock is free when the task has failed',
    ['exclusive/lock/with', 'with-lock/task-error'],
    async (lease, task) => {
      const value = await task(lease);
      await lease.release();
      return value;
    },
  ),
  {
    id: 'reentry-by-manager',
    breaks: 'sibling flows and bare acquires are not taken for the task',
    caughtBy: ['reentry/siblings', 'reentry/bare', 'waiting/fifo-in-one-manager'],
    breakManager: () => (whole) => {
      const held = new Set<string>();
      const refuse = (name: string): void => {
        if (held.has(name)) throw new Error('held by this manager');
      };
      return alteredManager(whole, {
        async acquire(name, options) {
          refuse(name);
          held.add(name);
          return whole.acquire(name, options);
        },
        async withLock(name: string, ...rest: unknown[]) {
          refuse(name);
          held.add(name);
          return (whole.withLock as (...args: unknown[]) => Promise<never>)(name, ...rest).finally(() => held.delete(name));
        },
      });
    },
  },

  manager('takes-names-as-they-come', 'groups are taken in one order', ['many/opposite-orders', 'many/group'], (whole) => ({
    withAll: (async (names: readonly string[], options: AcquireOptions, task: (group: unknown) => unknown) => {
      const leases: Lease[] = [];
      try {
        for (const name of names) leases.push(await whole.acquire(name, options));
        return await task(leases);
      } finally {
        for (const lease of leases) await lease.release();
      }
    }) as unknown as LockManager['withAll'],
    acquireAll: (async (names: readonly string[], options: AcquireOptions) =>
      alteredGroup(await whole.acquireAll(names, options), { names: [...names] })) as unknown as LockManager['acquireAll'],
  })),
  manager('a-budget-for-each-name', 'waitMs is the time for all names together', ['many/one-budget'], (whole) => ({
    acquireAll: (async (names: readonly string[], options: AcquireOptions) => {
      for (const name of names) await (await whole.acquire(name, options)).release();
      return whole.acquireAll(names, options);
    }) as unknown as LockManager['acquireAll'],
  })),
  manager('keeps-half-a-group', 'a group that cannot be had keeps none of its names', ['many/rolls-back'], (whole) => ({
    acquireAll: (async (names: readonly string[], options: AcquireOptions) => {
      for (const name of [...names].sort()) await whole.acquire(name, options);
      return whole.acquireAll(names, options);
    }) as unknown as LockManager['acquireAll'],
  })),
  manager('reaches-for-what-is-busy', 'absent from the map means busy', ['many/each'], (whole) => ({
    tryAcquireEach: (async (names: readonly string[], options: TryOptions) => {
      const map = await whole.tryAcquireEach(names, options);
      const [first] = map.values();
      for (const name of names) if (first !== undefined && !map.has(name)) map.set(name, first);
      return map;
    }) as unknown as LockManager['tryAcquireEach'],
  })),

  manager('drain-is-ignored', 'within drainMs holders finish undisturbed', ['close/drains', 'close/with-lock'], (whole) => ({
    close: () => whole.close(),
  })),
  manager('close-waits-in-full', 'close ends as soon as holders have finished', ['close/drains'], (whole) => ({
    async close(options) {
      if ((options?.drainMs ?? 0) > 1_000) await new Promise((resolve) => setTimeout(resolve, 5_000));
      await whole.close(options);
    },
  })),
  manager(
    'close-forgets-to-tell',
    'each signal aborts before the hold is freed',
    ['close/tells-before-it-frees', 'close/drain-runs-out', 'exclusive/lock/close'],
    (whole) => {
      const leases = new Set<Lease>();
      return {
        async acquire(name, options) {
          const lease = await whole.acquire(name, options);
          leases.add(lease);
          return lease;
        },
        async close(options) {
          await Promise.all([...leases].map((lease) => lease.release().catch(() => false)));
          await whole.close(options);
        },
      };
    },
  ),
  manager('health-throws', 'checkHealth never rejects', ['health/down', 'close/refuses'], (whole) => ({
    async checkHealth(options) {
      const report = await whole.checkHealth(options);
      if (!report.ok) throw report.error;
      return report;
    },
  })),
];

type Changes = Partial<LockManager>;

export function manager(
  id: string,
  breaks: string,
  caughtBy: readonly [string, ...string[]],
  changes: (whole: LockManager) => Changes,
): Mutant {
  return { id, breaks, caughtBy, breakManager: () => (whole) => alteredManager(whole, changes(whole)) };
}

/** Breaks the leases of `acquire` and `tryAcquire`. */
export function leases(
  id: string,
  breaks: string,
  caughtBy: readonly [string, ...string[]],
  changes: (lease: Lease) => Partial<Lease>,
): Mutant {
  return manager(id, breaks, caughtBy, (whole) => ({
    acquire: async (name, options) => alteredLease(await whole.acquire(name, options), changes),
    async tryAcquire(name, options) {
      const lease = await whole.tryAcquire(name, options);
      return lease === null ? null : alteredLease(lease, changes);
    },
  }));
}

function withLock(
  id: string,
  breaks: string,
  caughtBy: readonly [string, ...string[]],
  run: (lease: Lease, task: (lease: Lease) => unknown) => Promise<unknown>,
): Mutant {
  return manager(id, breaks, caughtBy, (whole) => ({
    withLock: async (name: string, first: unknown, second?: unknown) => {
      const [options, task] = typeof first === 'function' ? [undefined, first] : [first, second];
      return run(await whole.acquire(name, options as AcquireOptions), task as (lease: Lease) => unknown);
    },
  }));
}

function alteredLease(lease: Lease, changes: (lease: Lease) => Partial<Lease>): Lease {
  const own = changes(lease);
  return new Proxy(lease, {
    get(target, property) {
      if (property in own) return Reflect.get(own, property) as unknown;
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

function alteredGroup<T extends object>(group: T, changes: object): T {
  return new Proxy(group, {
    get(target, property) {
      if (property in changes) return Reflect.get(changes, property) as unknown;
      const value: unknown = Reflect.get(target, property, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}

function fallback<T>(error: unknown, code: 'LOCK_TIMEOUT' | 'LOCK_BACKEND_UNAVAILABLE', value: T): T {
  if (isLockError(error, code)) return value;
  throw error;
}

function known({ ttlMs, renew, maxHoldMs, label, signal, waitMs }: AcquireOptions): AcquireOptions {
  return { ttlMs, renew, maxHoldMs, label, signal, waitMs };
}
