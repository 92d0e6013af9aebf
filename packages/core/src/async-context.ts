import { AsyncResource } from 'node:async_hooks';

/**
 * The async context of a caller (`AsyncLocalStorage`: a trace, a tenant, a request), kept for as long as something of the caller's
 * may still have to run in it.
 */
export type CallerContext = Pick<AsyncResource, 'runInAsyncScope'>;

/** What `async_hooks` calls the context of a caller: `new AsyncResource(CONTEXT)` is that of the running one. */
export const CONTEXT = 'Holdfast';

/**
 * The context of nobody, for what serves many callers (renewals, timers, connections, calls that are shared): it would be traced
 * as one caller's, and keep alive what that caller's request has left behind.
 */
export const nobodysContext: CallerContext = new AsyncResource(CONTEXT);

/** Runs a task in the context of nobody. */
export function outsideOfContexts<T>(task: () => T): T {
  return nobodysContext.runInAsyncScope(task);
}
