import type { FencingToken } from '../contract/lease.js';
import type { LockState } from '../contract/state.js';
import { toldState } from '../told-state.js';
import type { ManagerCore } from './manager-core.js';

/** Lists what is held, each step under the deadline of one command. */
export async function* listStates<F extends FencingToken>(
  core: ManagerCore<F>,
  prefix: string,
): AsyncGenerator<LockState, void, undefined> {
  core.assertOpen();
  const { backend, calls } = core;
  if (backend.list === undefined || !backend.capabilities.list) throw core.unsupported('list', 'way to list what is held');
  const end = new AbortController();
  const states = backend
    .list(prefix, { timeoutMs: calls.commandTimeoutMs, signal: end.signal, clock: calls.clock })
    [Symbol.asyncIterator]();
  try {
    for (;;) {
      core.assertOpen();
      const step = await calls.run(null, () => states.next());
      if (step.done === true) return;
      yield toldState(step.value);
    }
  } finally {
    end.abort();
    // A source that hangs in its own clean-up must not hang the caller.
    await calls.run(null, async () => await states.return?.()).catch(() => {});
  }
}
