import { AsyncResource } from 'node:async_hooks';

/**
 * The async context of a caller (`AsyncLocalStorage`: a trace, a tenant, a request), kept for as long as something of the caller's
 * may still have to run in it.
 */
export interface CallerContext {
  run<T>(task: () => T): T;
}

class Captured extends AsyncResource implements CallerContext {
  constructor() {
    super('Holdfast', { requireManualDestroy: true });
  }

  run<T>(task: () => T): T {
    return this.runInAsyncScope(task);
  }
}

/** The context of the caller. */
export function callerContext(): CallerContext {
  return new Captured();
}

const none = new Captured();

/**
 * Runs what serves many callers (renewals, timers, connections, calls that are shared) in none of their contexts: it would be traced
 * as one caller's, and keep alive what that caller's request has left behind.
 */
export function outsideOfContexts<T>(task: () => T): T {
  return none.runInAsyncScope(task);
}
