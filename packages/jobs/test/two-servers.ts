import type { CompletionMarks, LockManager } from '@holdfast/core';
import { createMemoryLockManager } from '@holdfast/core/memory';
import { createManualClock, createTestMemoryStore } from '@holdfast/core/testing';
import { createJobLockManager, type JobLockOptions } from '@holdfast/jobs';

const STEP_MS = 10;
const LONGEST_MS = 120_000;

/** Two servers on one store, each with a connection that can be disturbed. With a manual clock time moves only when a test says so. */
export function twoServers(options: JobLockOptions = {}, { manual = false } = {}) {
  const clock = createManualClock();
  const timed = manual ? { clock } : {};
  const store = createTestMemoryStore(timed);
  const links = [store.peer(), store.peer()] as const;
  const [here, there] = [createMemoryLockManager({ store: links[0], ...timed }), createMemoryLockManager({ store: links[1], ...timed })];
  /** Time goes by until that has settled. */
  const inTime = async <T>(promise: Promise<T>): Promise<T> => {
    let isSettled = false;
    const settle = (): void => {
      isSettled = true;
    };
    promise.then(settle, settle);
    for (let passed = 0; !isSettled; passed += STEP_MS) {
      if (passed > LONGEST_MS) throw new Error(`not settled in ${LONGEST_MS} ms of the manual clock`);
      await clock.advance(STEP_MS);
    }
    return promise;
  };
  return {
    clock,
    inTime,
    /** On the manual clock: something happens so much later. */
    after(ms: number, then: () => void): void {
      clock.setTimer(ms, then);
    },
    links,
    locks: [here, there] as const,
    jobs: [createJobLockManager(here, options), createJobLockManager(there, options)] as const,
    async [Symbol.asyncDispose]() {
      const closed = Promise.all([here.close(), there.close()]);
      await (manual ? inTime(closed) : closed);
    },
  };
}

/** The same manager with other marks: a store that grants locks and refuses marks. */
export function withMarks<L extends LockManager>(locks: L, change: (marks: CompletionMarks) => Partial<CompletionMarks>): L {
  const { marks } = locks;
  if (marks === null) throw new Error('a manager without marks');
  const altered = overlaid(marks, change(marks));
  return overlaid(locks, { marks: altered } as Partial<L>);
}

/** An object with some of its properties replaced. */
function overlaid<T extends object>(whole: T, part: Partial<T>): T {
  return new Proxy(whole, {
    get(target, key) {
      if (Object.hasOwn(part, key)) return Reflect.get(part, key) as unknown;
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === 'function' ? (value.bind(target) as unknown) : value;
    },
  });
}
