import assert from 'node:assert/strict';
import { isLockError, type LockManager } from '../../index.js';
import { type ConformanceCase, conformanceCase } from '../conformance-case.js';
import { breathe, describe, granted, isFree, rejectsWith } from '../expectations.js';

// What a caller without types may pass.
type Untyped = (...args: unknown[]) => unknown;
const untyped = (target: object, method: string): Untyped => ((target as Record<string, Untyped>)[method] as Untyped).bind(target);

const BAD_NAMES: readonly unknown[] = [
  undefined,
  null,
  0,
  7n,
  true,
  {},
  ['a'],
  Symbol.iterator,
  '',
  'x'.repeat(513),
  '€'.repeat(171),
  '\ud800',
  'a\udc00b',
  '\udc00\ud800',
];
const BAD_TTLS: readonly unknown[] = [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31, '100', null, 100n];
const BAD_WAITS: readonly unknown[] = [-1, 0.5, Number.NaN, Number.NEGATIVE_INFINITY, 2 ** 31, '0', null];
const BAD_LEASE_OPTIONS: readonly (readonly [option: string, values: readonly unknown[]])[] = [
  ['ttlMs', BAD_TTLS],
  ['renew', [0, 1, 'yes', null]],
  ['maxHoldMs', [0, -1, 1.5, Number.NaN, 2 ** 31, '1', null]],
  ['label', [1, null, {}, 'x'.repeat(1025), '€'.repeat(342)]],
  ['signal', [1, null, {}, 'abort']],
  ['ttl', [1_000]],
  ['waitMS', [1_000]],
  ['timeout', [1_000]],
];

/** Wrong arguments are refused before the store is asked, by a rejection and with the option's name. */
export const argumentCases: readonly ConformanceCase[] = [
  conformanceCase('arguments/names', {
    title: 'what is not a name is refused by every method that takes one',
    async run({ manager }) {
      for (const name of BAD_NAMES) {
        await breathe();
        for (const method of ['acquire', 'tryAcquire', 'inspect', 'forceRelease'] as const) {
          await refused(() => untyped(manager, method)(name), `${method}(${String(name)})`);
        }
        await refused(() => untyped(manager, 'withLock')(name, neverRuns), 'withLock');
        await refused(() => untyped(manager, 'tryWithLock')(name, neverRuns), 'tryWithLock');
        await refused(() => untyped(manager, 'acquireAll')([name]), 'acquireAll');
        await refused(() => untyped(manager, 'acquireAll')(['fine', name]), 'acquireAll');
        await refused(() => untyped(manager, 'withAll')([name], neverRuns), 'withAll');
        await refused(() => untyped(manager, 'tryAcquireEach')(['fine', name]), 'tryAcquireEach');
        if (manager.marks !== null) {
          await refused(() => untyped(manager.marks ?? {}, 'set')(name, { retentionMs: 100 }), 'marks.set');
          await refused(() => untyped(manager.marks ?? {}, 'has')(name), 'marks.has');
          await refused(() => untyped(manager.marks ?? {}, 'hasEach')(['fine', name]), 'marks.hasEach');
          await refused(() => untyped(manager.marks ?? {}, 'setEach')([{ name, retentionMs: 100 }]), 'marks.setEach');
          if (typeof name !== 'object' || name === null || Array.isArray(name)) {
            await refused(() => untyped(manager.marks ?? {}, 'setEach')([name]), 'marks.setEach of no object');
          }
        }
      }
    },
  }),

  conformanceCase('arguments/lists-of-names', {
    title: 'a string is not a list of names, though it can be iterated',
    async run({ manager, name }) {
      for (const method of ['acquireAll', 'tryAcquireEach'] as const) {
        for (const names of [name(), null, undefined, 5, {}]) await refused(() => untyped(manager, method)(names), method);
      }
    },
  }),

  conformanceCase('arguments/lease-options', {
    title: 'each option that breaks its rule is refused with its name, and unknown ones are too',
    async run({ manager, peer, lock }) {
      for (const [option, values] of BAD_LEASE_OPTIONS) {
        for (const value of values) {
          await breathe();
          const options = { [option]: value };
          for (const [method, call] of waysToAsk(manager, [lock], neverRuns)) {
            assert.equal(
              await refused(() => call(options), `${method} with ${option} ${String(value)}`),
              option,
              `${method} names another option`,
            );
          }
        }
      }
      await granted(await (await peer()).tryAcquire(lock)).release();
    },
  }),

  conformanceCase('arguments/wait', {
    title: 'waitMs is an integer from 0, or Infinity, and no option of a method that cannot wait',
    async run({ manager, name }) {
      for (const waitMs of BAD_WAITS)
        assert.equal(await refused(() => untyped(manager, 'acquire')(name(), { waitMs }), `waitMs ${String(waitMs)}`), 'waitMs');
      for (const waitMs of [0, 100, Number.POSITIVE_INFINITY]) {
        await refused(() => untyped(manager, 'tryAcquire')(name(), { waitMs }), 'tryAcquire with waitMs');
        await refused(() => untyped(manager, 'tryWithLock')(name(), { waitMs }, neverRuns), 'tryWithLock with waitMs');
        await refused(() => untyped(manager, 'tryAcquireEach')([name()], { waitMs }), 'tryAcquireEach with waitMs');
      }
    },
  }),

  conformanceCase('arguments/options-objects', {
    title: 'options are an object or undefined; every option may be undefined',
    async run({ manager, name }) {
      for (const options of [null, 5, 'ttlMs', []])
        await refused(() => untyped(manager, 'acquire')(name(), options), `options ${String(options)}`);
      const open = { ttlMs: undefined, renew: undefined, maxHoldMs: undefined, label: undefined, signal: undefined, waitMs: undefined };
      const leases = [
        await manager.acquire(name(), undefined),
        await manager.acquire(name(), open),
        granted(await manager.tryAcquire(name(), open)),
        await manager.acquire(name(), { maxHoldMs: Number.POSITIVE_INFINITY, waitMs: Number.POSITIVE_INFINITY }),
      ];
      for (const lease of leases) assert.equal(await lease.release(), true);
    },
  }),

  conformanceCase('arguments/longest-ttl', {
    title: 'the longest ttl is taken, or refused as an argument by a store that bounds it',
    async run({ manager, lock }) {
      const lease = await manager.acquire(lock, { ttlMs: 2 ** 31 - 1 }).catch((error: unknown) => {
        assert.ok(isLockError(error, 'LOCK_INVALID_ARGUMENT') && error.option === 'ttlMs', describe(error));
        return null;
      });
      if (lease === null) return isFree(manager, lock);
      assert.equal(lease.isHeld, true);
      assert.equal(await lease.release(), true);
    },
  }),

  conformanceCase('arguments/label', {
    title: 'a label of 1,024 bytes is reported as it is',
    async run({ manager, name }) {
      for (const label of ['x'.repeat(1024), `${'€'.repeat(341)}x`, '']) {
        const lease = await manager.acquire(name(), { label });
        const { holders } = await manager.inspect(lease.name);
        assert.equal(await lease.release(), true);
        assert.deepEqual(
          holders.map((holder) => holder.label),
          [label],
        );
      }
    },
  }),

  conformanceCase('arguments/read-once', {
    title: 'an option is read once, checked, and used as it was read: own or inherited, a value or a getter, enumerable or not',
    async run({ manager, name, lock }) {
      for (const [method, call] of waysToAsk(manager, [lock, name()], () => null)) {
        for (const bad of [Number.NaN, 'abc', 1.5, -1, 2 ** 40]) {
          for (const options of optionObjects('ttlMs', () => bad))
            assert.equal(await refused(() => call(options), `${method} with a ttlMs of ${String(bad)}`), 'ttlMs');
        }
        for (const index of optionObjects('ttlMs', () => 0).keys()) {
          let reads = 0;
          const options = optionObjects('ttlMs', () => {
            reads += 1;
            return reads === 1 ? 5_000 : -1;
          })[index];
          await ((await call(options ?? {})) as Partial<AsyncDisposable> | null)?.[Symbol.asyncDispose]?.();
          assert.equal(reads, 1, `${method} has read ttlMs ${reads} times`);
        }
      }
      await isFree(manager, lock);
    },
  }),

  conformanceCase('arguments/permits-read-once', {
    title: 'a number of permits that is inherited, or changes, never lets more in than there are',
    needs: ['semaphores'],
    async run({ manager, name }) {
      for (const limits of optionObjects('permits', () => -5))
        throwsArgument(() => untyped(manager, 'semaphore')(name(), limits), 'a limit');
      const semaphore = manager.semaphore(name(), { permits: 2 });
      for (const bad of [-5, 0, 3, 1.5, Number.NaN]) {
        for (const options of optionObjects('permits', () => bad))
          assert.equal(await refused(() => untyped(semaphore, 'tryAcquire')(options), `permits ${String(bad)}`), 'permits');
      }
      let reads = 0;
      const lease = granted(
        await semaphore.tryAcquire({
          get permits() {
            return (reads += 1) === 1 ? 2 : -5;
          },
        }),
      );
      assert.equal(lease.permits, 2);
      assert.equal(await semaphore.tryAcquire(), null);
      assert.equal(await lease.release(), true);
    },
  }),

  conformanceCase('arguments/tasks', {
    title: 'a task that is not a function is refused before anything is taken',
    async run({ manager, lock }) {
      for (const task of [undefined, null, 'task', {}]) {
        await refused(() => untyped(manager, 'withLock')(lock, {}, task), 'withLock');
        await refused(() => untyped(manager, 'tryWithLock')(lock, {}, task), 'tryWithLock');
        await refused(() => untyped(manager, 'withAll')([lock], {}, task), 'withAll');
      }
      await refused(() => untyped(manager, 'withLock')(lock), 'withLock without a task');
      await granted(await manager.tryAcquire(lock)).release();
    },
  }),

  conformanceCase('arguments/extend', {
    title: 'a bad extension is refused and leaves the lease as it was',
    async run({ manager, name }) {
      const lease = await manager.acquire(name());
      for (const ttlMs of BAD_TTLS) await refused(() => untyped(lease, 'extend')(ttlMs), `extend(${String(ttlMs)})`);
      assert.equal(lease.isHeld, true);
      assert.equal(await lease.release(), true);
    },
  }),

  conformanceCase('arguments/permits', {
    title: 'permits are integers from 1 to the limit of the semaphore',
    needs: ['semaphores'],
    async run({ manager, name }) {
      for (const permits of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, '1', null, undefined]) {
        throwsArgument(() => untyped(manager, 'semaphore')(name(), { permits }), `a semaphore of ${String(permits)}`);
      }
      throwsArgument(() => untyped(manager, 'semaphore')(name()), 'a semaphore without options');
      throwsArgument(() => untyped(manager, 'semaphore')(name(), { permits: 1, size: 1 }), 'a semaphore with an unknown option');
      for (const bad of ['', '\ud800', 5]) throwsArgument(() => untyped(manager, 'semaphore')(bad, { permits: 1 }), 'a bad name');
      const semaphore = manager.semaphore(name(), { permits: 3 });
      for (const permits of [0, -1, 1.5, Number.NaN, 4, Number.POSITIVE_INFINITY, '1', null]) {
        await refused(() => untyped(semaphore, 'acquire')({ permits }), `acquire of ${String(permits)}`);
        await refused(() => untyped(semaphore, 'tryAcquire')({ permits }), `tryAcquire of ${String(permits)}`);
        await refused(() => untyped(semaphore, 'withPermits')({ permits }, neverRuns), `withPermits of ${String(permits)}`);
        await refused(() => untyped(semaphore, 'tryWithPermits')({ permits }, neverRuns), `tryWithPermits of ${String(permits)}`);
      }
      await refused(() => untyped(semaphore, 'tryAcquire')({ waitMs: 0 }), 'tryAcquire with waitMs');
      await granted(await semaphore.tryAcquire({ permits: 3 })).release();
    },
  }),

  conformanceCase('arguments/read-write', {
    title: 'read/write locks check names and options too',
    needs: ['readWriteLocks'],
    async run({ manager, name }) {
      for (const bad of ['', '\ud800', 5, null]) throwsArgument(() => untyped(manager, 'readWriteLock')(bad), 'a bad name');
      const lock = manager.readWriteLock(name());
      for (const side of [lock.read, lock.write]) {
        await refused(() => untyped(side, 'acquire')({ ttlMs: 0 }), 'acquire');
        await refused(() => untyped(side, 'acquire')({ permits: 1 }), 'acquire with permits');
        await refused(() => untyped(side, 'tryAcquire')({ waitMs: 1 }), 'tryAcquire');
        await refused(() => untyped(side, 'withLock')({}, null), 'withLock');
      }
    },
  }),

  conformanceCase('arguments/others', {
    title: 'list, marks and close check their options, and a refused close closes nothing',
    async run({ manager, name }) {
      if (manager.capabilities.list) {
        await refused(
          () =>
            manager
              .list({ prefix: 3 as unknown as string })
              [Symbol.asyncIterator]()
              .next(),
          'list',
        );
      }
      if (manager.marks !== null) {
        for (const retentionMs of [-1, 1.5, Number.NaN, '1', null, undefined]) {
          await refused(() => untyped(manager.marks ?? {}, 'set')(name(), { retentionMs }), `retentionMs ${String(retentionMs)}`);
        }
        await refused(() => untyped(manager.marks ?? {}, 'set')(name()), 'marks.set without options');
      }
      for (const drainMs of [-1, 1.5, Number.NaN, '1', null])
        await refused(() => untyped(manager, 'close')({ drainMs }), `drainMs ${String(drainMs)}`);
      await refused(() => untyped(manager, 'close')({ drain: 5 }), 'close with an unknown option');
      await isFree(manager, name());
    },
  }),

  conformanceCase('arguments/before-io', {
    title: 'a bad argument is reported as one also while the store is out of reach',
    faults: ['disconnect', 'reconnect'],
    async run({ manager, faults }) {
      await faults.disconnect();
      await rejectsWith('LOCK_INVALID_ARGUMENT', manager.acquire(''));
      await rejectsWith('LOCK_INVALID_ARGUMENT', manager.tryAcquire('a', { ttlMs: 0 }));
      await rejectsWith('LOCK_INVALID_ARGUMENT', manager.acquireAll(['a', '\ud800']));
      await faults.reconnect();
    },
  }),
];

/** Each method that asks for the first of the names, or for all of them. */
function waysToAsk(
  manager: LockManager,
  names: readonly [string, ...string[]],
  task: () => unknown,
): readonly (readonly [method: string, call: (options: object) => unknown])[] {
  const [name] = names;
  return [
    ['acquire', (options) => untyped(manager, 'acquire')(name, options)],
    ['tryAcquire', (options) => untyped(manager, 'tryAcquire')(name, options)],
    ['withLock', (options) => untyped(manager, 'withLock')(name, options, task)],
    ['tryWithLock', (options) => untyped(manager, 'tryWithLock')(name, options, task)],
    ['acquireAll', (options) => untyped(manager, 'acquireAll')(names, options)],
    ['withAll', (options) => untyped(manager, 'withAll')(names, options, task)],
    ['tryAcquireEach', (options) => untyped(manager, 'tryAcquireEach')(names, options)],
  ];
}

/** One option in each way in which an object can have it. */
function optionObjects(option: string, read: () => unknown): readonly object[] {
  const open = Object.defineProperty({}, option, { get: read, enumerable: true });
  const hidden = Object.defineProperty({}, option, { get: read });
  return [open, hidden, Object.create(open) as object, Object.create(hidden) as object];
}

function neverRuns(): never {
  assert.fail('a task ran in spite of a bad argument');
}

/** The call returns a promise that rejects with LOCK_INVALID_ARGUMENT; resolves with the option that it names. */
async function refused(call: () => unknown, what: string): Promise<string> {
  let promise: unknown;
  try {
    promise = call();
  } catch (error) {
    assert.fail(`${what} threw instead of rejecting: ${describe(error)}`);
  }
  try {
    await promise;
  } catch (error) {
    if (!isLockError(error, 'LOCK_INVALID_ARGUMENT')) assert.fail(`${what}: expected LOCK_INVALID_ARGUMENT, got ${describe(error)}`);
    assert.ok(error.option.length > 0, `${what}: the error does not name the option`);
    return error.option;
  }
  assert.fail(`${what} was accepted`);
}

function throwsArgument(call: () => unknown, what: string): void {
  try {
    call();
  } catch (error) {
    if (!isLockError(error, 'LOCK_INVALID_ARGUMENT')) assert.fail(`${what}: expected LOCK_INVALID_ARGUMENT, got ${describe(error)}`);
    return;
  }
  assert.fail(`${what} was accepted`);
}
