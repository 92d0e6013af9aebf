import { createMemoryLockManager } from '@holdfast/core/memory';
import { createManualClock, createTestMemoryStore } from '@holdfast/core/testing';
import { createElection, type ElectionEvent, type ElectionOptions } from '@holdfast/election';

/** Two servers with one candidate each, and what they say. With a manual clock time moves only when a test says so. */
export function twoCandidates(options: ElectionOptions = {}, { manual = false } = {}) {
  const clock = createManualClock();
  const timed = manual ? { clock } : {};
  const store = createTestMemoryStore(timed);
  const links = [store.peer(), store.peer()] as const;
  const events: ElectionEvent[] = [];
  const locks = links.map((link, index) => createMemoryLockManager({ store: link, label: `server-${index}`, ...timed }));
  const [here, there] = locks as [(typeof locks)[number], (typeof locks)[number]];
  const make = (manager: typeof here) =>
    createElection(manager, 'scheduler', { retryMs: 20, ...options, onEvent: (event) => events.push(event) });
  return {
    clock,
    links,
    locks: [here, there] as const,
    elections: [make(here), make(there)] as const,
    events,
    /** The kinds of events so far, each with who it is about. */
    told: () => events.map(({ type, label }) => `${label}: ${type}`),
    async [Symbol.asyncDispose]() {
      if (manual) await clock.settle();
      await Promise.all(locks.map((manager) => manager.close()));
    },
  };
}

/** A task that leads until it is asked to end. */
export async function untilAborted({ signal }: { readonly signal: AbortSignal }): Promise<void> {
  if (!signal.aborted) await new Promise((resolve) => signal.addEventListener('abort', resolve, { once: true }));
}
