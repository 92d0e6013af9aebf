import { AsyncResource } from 'node:async_hooks';

const none = new AsyncResource('HoldfastElection', { requireManualDestroy: true });

/** Runs what serves all observers in none of their async contexts. */
export function outsideOfContexts<T>(task: () => T): T {
  return none.runInAsyncScope(task);
}
