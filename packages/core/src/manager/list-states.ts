import type { CallContext } from '../contract/backend.js';
import type { StoreOperation } from '../contract/events.js';
import type { FencingToken } from '../contract/lease.js';
import type { LockState } from '../contract/state.js';
import { toldState } from '../told-state.js';
import type { ManagerCore } from './manager-core.js';

/** Lists what is held. */
export function listStates<F extends FencingToken>(core: ManagerCore<F>, prefix: string): AsyncGenerator<LockState, void, undefined> {
  core.assertOpen();
  const { backend } = core;
  const list = backend.list?.bind(backend);
  if (list === undefined || !backend.capabilities.list) throw core.unsupported('list', 'way to list what is held');
  return pullEach(core, 'list', (call) => list(prefix, call), toldState);
}

/** Hands out what a backend lists, each step under the deadline of one command. */
export async function* pullEach<F extends FencingToken, T, R>(
  core: ManagerCore<F>,
  operation: StoreOperation,
  list: (call: CallContext) => AsyncIterable<T>,
  tell: (item: T) => R,
): AsyncGenerator<R, void, undefined> {
  core.assertOpen();
  const { calls } = core;
  const end = new AbortController();
  const states = list({ timeoutMs: calls.commandTimeoutMs, signal: end.signal, clock: calls.clock })[Symbol.asyncIterator]();
  try {
    for (;;) {
      core.assertOpen();
      const step = await calls.run(operation, 1, null, () => states.next());
      if (step.done === true) return;
      yield tell(step.value);
    }
  } finally {
    end.abort();
    // A source that hangs in its own clean-up must not hang the caller.
    await calls.run(operation, 1, null, async () => await states.return?.()).catch(() => {});
  }
}
