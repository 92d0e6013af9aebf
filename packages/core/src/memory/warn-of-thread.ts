import { emitWarning } from 'node:process';
import { isMainThread } from 'node:worker_threads';

let hasWarned = false;

/** Each thread has its own memory: a lock of one is unknown in the others, which is easily overlooked. Once a thread. */
export function warnOfThread(): void {
  if (isMainThread || hasWarned) return;
  hasWarned = true;
  emitWarning(
    'memory: this is a worker thread, and locks in memory keep out the tasks of this thread only; use a server to keep out others',
    {
      type: 'HoldfastWarning',
      code: 'HOLDFAST_MEMORY_THREAD',
    },
  );
}
