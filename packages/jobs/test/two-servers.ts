import type { CompletionMarks, LockManager } from '@holdfast/core';
import { createMemoryLockManager } from '@holdfast/core/memory';
import { createTestMemoryStore } from '@holdfast/core/testing';
import { createJobLockManager, type JobLockOptions } from '@holdfast/jobs';

/** Two servers on one store, each with a connection that can be disturbed. */
export function twoServers(options: JobLockOptions = {}) {
  const store = createTestMemoryStore();
  const links = [store.peer(), store.peer()] as const;
  const [here, there] = [createMemoryLockManager({ store: links[0] }), createMemoryLockManager({ store: links[1] })];
  return {
    links,
    locks: [here, there] as const,
    jobs: [createJobLockManager(here, options), createJobLockManager(there, options)] as const,
    async [Symbol.asyncDispose]() {
      await Promise.all([here.close(), there.close()]);
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
