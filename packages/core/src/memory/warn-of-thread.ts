import { isMainThread } from 'node:worker_threads';
import { warnOnce } from '../once-a-process.js';

/** Each thread has its own memory: a lock of one is unknown in the others, which is easily overlooked. Once a thread. */
export function warnOfThread(): void {
  if (isMainThread) return;
  warnOnce(
    'HOLDFAST_MEMORY_THREAD',
    'memory: this is a worker thread, and locks in memory keep out the tasks of this thread only; use a server to keep out others',
  );
}
